// Package shaders holds the WGSL kernels of the networks and the sampler. A
// kernel is one file name.wgsl, a Go call of the same name that checks shapes
// and describes a launch, and a Go twin: plain loops in equation order with
// float64 sums, which define what the WGSL computes.
//
// A further kernel takes:
//   - name.wgsl: storage bindings from 0, at most 8; the uniform Params last, its
//     fields u32, i32 or f32. Channels are padded to a multiple of 4, and the
//     padding stays 0.
//   - name.go: Args, the call, the twin, and var name = kernel("name", nameTwin);
//   - in the tests a line of TestParamsMatchWGSL, a table in kernels_test.go, whose
//     harness runs twin and adapter between guards, and a case of TestPlantedFaults.
package shaders

import (
	"embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.wgsl
var sources embed.FS

// Access is what a kernel does with a binding.
type Access uint8

const (
	Read Access = iota
	ReadWrite
)

// Binding is one storage buffer of a kernel, at @group(0).
type Binding struct {
	Name   string
	Access Access
}

// Kernel is one WGSL program, its entry point named main. Its storage bindings
// are numbered from 0, the uniform Params (where there are any) come last.
type Kernel struct {
	Name      string
	Bindings  []Binding // in binding order
	HasParams bool
	Overrides []Override
	Fields    []Field // of struct Params

	// Twin computes the kernel on the CPU. mem[i] are the bytes of binding i's
	// view; an unbound one is at least 16 bytes.
	Twin func(c Constants, params []byte, mem [][]byte)

	source string
}

// Override is a pipeline constant: what changes machine code.
type Override struct{ Name, Type, Default string }

// Field is one member of struct Params; all are u32, i32 or f32.
type Field struct{ Name, Type string }

var (
	reBinding  = regexp.MustCompile(`@group\(0\)\s*@binding\((\d+)\)\s*var<\s*(storage|uniform)\s*(?:,\s*(read|read_write)\s*)?>\s*(\w+)\s*:`)
	reOverride = regexp.MustCompile(`(?m)^override\s+(\w+)\s*:\s*(\w+)\s*=\s*([^;]+);`)
	reParams   = regexp.MustCompile(`(?s)struct\s+Params\s*\{(.*?)\}`)
	reField    = regexp.MustCompile(`(?m)^\s*(\w+)\s*:\s*(\w+)\s*,`)
)

var all []*Kernel

// All lists every kernel.
func All() []*Kernel { return all }

// kernel reads name.wgsl and registers it with its twin. Files named in front
// of it come first: what several forms of a kernel share. A file that breaks
// the conventions panics at start: that is a programmer's error.
func kernel(name string, twin func(c Constants, params []byte, mem [][]byte), front ...string) *Kernel {
	k := &Kernel{Name: name, Twin: twin}
	for _, file := range append(front, name) {
		src, err := sources.ReadFile(file + ".wgsl")
		if err != nil {
			panic(err)
		}
		k.source += string(src) + "\n"
	}
	for i, m := range reBinding.FindAllStringSubmatch(k.source, -1) {
		switch {
		case m[1] != strconv.Itoa(i):
			panic(fmt.Sprintf("shaders: %s.wgsl: %s has binding %s, want %d", name, m[4], m[1], i))
		case k.HasParams:
			panic(fmt.Sprintf("shaders: %s.wgsl: Params must be the last binding", name))
		case m[2] == "uniform":
			k.HasParams = true
		case m[3] == "read_write":
			k.Bindings = append(k.Bindings, Binding{m[4], ReadWrite})
		default:
			k.Bindings = append(k.Bindings, Binding{m[4], Read})
		}
	}
	for _, m := range reOverride.FindAllStringSubmatch(k.source, -1) {
		k.Overrides = append(k.Overrides, Override{m[1], m[2], strings.TrimSpace(m[3])})
	}
	if m := reParams.FindStringSubmatch(k.source); m != nil {
		for _, f := range reField.FindAllStringSubmatch(m[1], -1) {
			k.Fields = append(k.Fields, Field{f[1], f[2]})
		}
	}
	all = append(all, k)
	return k
}

// Code is the program with every override declaration made a constant of the
// given value, or of its default: no side of the WebGPU binding can set
// pipeline constants, and a const may size an array. A constant that the
// kernel does not declare is refused.
func (k *Kernel) Code(c Constants) (string, error) {
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if !slices.ContainsFunc(k.Overrides, func(o Override) bool { return o.Name == name }) {
			return "", fmt.Errorf("shaders: %s.wgsl declares no override %s", k.Name, name)
		}
	}
	return reOverride.ReplaceAllStringFunc(k.source, func(decl string) string {
		m := reOverride.FindStringSubmatch(decl)
		value := strings.TrimSpace(m[3])
		if v, ok := c[m[1]]; ok {
			switch m[2] {
			case "bool":
				value = strconv.FormatBool(v != 0)
			case "u32":
				value = strconv.FormatUint(uint64(v), 10) + "u"
			case "i32":
				value = strconv.FormatInt(int64(int32(v)), 10)
			default:
				value = strconv.FormatUint(uint64(v), 10)
			}
		}
		return fmt.Sprintf("const %s: %s = %s;", m[1], m[2], value)
	}), nil
}
