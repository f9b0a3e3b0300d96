// Package record keeps what a sampling run does as flat lists of kernel
// launches over planned buffers. A list is recorded once and replayed for
// every step; it runs on the GPU, or on the CPU through the kernels' Go twins.
package record

import (
	"fmt"
	"slices"

	"github.com/mcdm/mcdm/engine/gpu"
	"github.com/mcdm/mcdm/shaders"
)

// firstLocal separates the buffers of a machine (weights, shared by all
// plans) from the buffers of one plan.
const firstLocal shaders.Buffer = 1 << 24

// Plan is a set of programs and the buffers that they share.
type Plan struct {
	buffers  []buffer
	programs []*Program
}

// Program is a straight line of kernel launches that is run as a whole.
type Program struct {
	Name       string
	Dispatches []shaders.Dispatch
}

// buffer is one plan-local allocation. Scratch buffers live from their first
// to their last use within one program and share memory; kept ones have
// memory of their own, zero at first, that outlives the program.
type buffer struct {
	label string
	size  int
	kept  bool
}

// Scratch returns a tensor whose contents need not outlive the program that
// writes it. It may be used by one program only.
func (p *Plan) Scratch(label string, n, h, w, c int) shaders.Tensor {
	return p.tensor(label, n, h, w, c, false)
}

// Keep returns a tensor with memory of its own: what the host writes or
// reads, and what one program leaves for another.
func (p *Plan) Keep(label string, n, h, w, c int) shaders.Tensor {
	return p.tensor(label, n, h, w, c, true)
}

func (p *Plan) tensor(label string, n, h, w, c int, kept bool) shaders.Tensor {
	t := shaders.Tensor{N: n, H: h, W: w, C: c}
	if n < 1 || h < 1 || w < 1 || c < 1 {
		panic(fmt.Sprintf("record: %s has the shape %v", label, t))
	}
	p.buffers = append(p.buffers, buffer{label, t.Size(), kept})
	t.Buffer = firstLocal + shaders.Buffer(len(p.buffers)-1)
	return t
}

// KeepBytes returns a kept buffer of size bytes without a tensor's shape.
func (p *Plan) KeepBytes(label string, size int) shaders.Buffer {
	p.buffers = append(p.buffers, buffer{label, (size + 3) &^ 3, true})
	return firstLocal + shaders.Buffer(len(p.buffers)-1)
}

// Program starts a new, empty program of the plan.
func (p *Plan) Program(name string) *Program {
	g := &Program{Name: name}
	p.programs = append(p.programs, g)
	return g
}

// Add appends launches under the name of their layer.
func (g *Program) Add(label string, ds ...shaders.Dispatch) {
	for _, d := range ds {
		d.Label = label
		g.Dispatches = append(g.Dispatches, d)
	}
}

// Fits refuses a plan with a launch of more workgroups than devices make, in any form.
func (p *Plan) Fits() error {
	for _, g := range p.programs {
		for _, d := range g.Dispatches {
			for _, f := range slices.Concat([]shaders.Form{{Groups: d.Groups}}, d.Forms) {
				if slices.Max(f.Groups[:]) > shaders.MaxGroups {
					return fmt.Errorf("%w: %s takes %v workgroups, and one launch has at most %d in each dimension", gpu.ErrLimits, d.Label, f.Groups, shaders.MaxGroups)
				}
			}
		}
	}
	return nil
}

// placement maps every plan-local buffer to a slot. Slots are separate
// allocations, since WebGPU lets no launch read and write one buffer through
// two bindings.
type placement struct {
	slot  []int // by plan-local index; -1 when no program uses the buffer
	sizes []int // bytes, by slot
}

// place plans the memory: first fit by lifetime, in order of first use. A
// scratch buffer takes the smallest free slot that holds it, else it widens
// the largest free one, else it gets a new slot.
func (p *Plan) place() placement {
	type span struct {
		program     *Program
		first, last int
	}
	spans := make([]span, len(p.buffers))
	for _, g := range p.programs {
		for i, d := range g.Dispatches {
			for _, v := range d.Bindings {
				if v.Buffer < firstLocal {
					continue
				}
				s := &spans[v.Buffer-firstLocal]
				switch {
				case s.program == nil:
					*s = span{g, i, i}
				case s.program == g:
					s.last = i
				case !p.buffers[v.Buffer-firstLocal].kept:
					panic(fmt.Sprintf("record: scratch buffer %q is used by the programs %q and %q",
						p.buffers[v.Buffer-firstLocal].label, s.program.Name, g.Name))
				}
			}
		}
	}

	out := placement{slot: make([]int, len(p.buffers))}
	var scratch []int // slots that scratch buffers share
	for i, b := range p.buffers {
		out.slot[i] = -1
		if b.kept {
			out.slot[i] = len(out.sizes)
			out.sizes = append(out.sizes, b.size)
		}
	}
	for _, g := range p.programs {
		free := append([]int(nil), scratch...)
		dying := make([][]int, len(g.Dispatches))
		for i, d := range g.Dispatches {
			for _, v := range d.Bindings {
				k := int(v.Buffer - firstLocal)
				if v.Buffer < firstLocal || p.buffers[k].kept || out.slot[k] >= 0 {
					continue
				}
				best := -1
				for j, s := range free {
					if best < 0 || better(out.sizes[s], out.sizes[free[best]], p.buffers[k].size) {
						best = j
					}
				}
				var s int
				if best >= 0 {
					s = free[best]
					free = append(free[:best], free[best+1:]...)
					out.sizes[s] = max(out.sizes[s], p.buffers[k].size)
				} else {
					s = len(out.sizes)
					out.sizes = append(out.sizes, p.buffers[k].size)
					scratch = append(scratch, s)
				}
				out.slot[k] = s
				dying[spans[k].last] = append(dying[spans[k].last], s)
			}
			free = append(free, dying[i]...)
		}
	}
	return out
}

// better tells whether a free slot of a bytes suits a buffer of need bytes
// better than one of b bytes: the smallest that fits, else the largest.
func better(a, b, need int) bool {
	if (a >= need) != (b >= need) {
		return a >= need
	}
	if a >= need {
		return a < b
	}
	return a > b
}

// Bytes is the memory that the plan takes when it is loaded on a GPU: its
// buffers and the parameters of its launches. Weights are not included.
func (p *Plan) Bytes() int {
	n := 0
	for _, s := range p.place().sizes {
		n += s
	}
	for _, g := range p.programs {
		n += len(g.params())
	}
	return n
}

// paramsAlign is WebGPU's default minUniformBufferOffsetAlignment.
const paramsAlign = 256

// params are those of all launches, each at a multiple of paramsAlign.
func (g *Program) params() []byte {
	params := make([]byte, 0, 16) // no empty buffer
	for _, d := range g.Dispatches {
		params = append(params, d.Params...)
		params = append(params, make([]byte, -len(params)&(paramsAlign-1))...)
	}
	if len(params) == 0 {
		return params[:16]
	}
	return params
}

// Apart gives every tensor memory of its own, so that any program may use it:
// to time single launches.
func (p *Plan) Apart() {
	for i := range p.buffers {
		p.buffers[i].kept = true
	}
}
