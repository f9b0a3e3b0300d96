package shaders

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"unsafe"
)

// f32s sees bytes as numbers of the machine's own order, which is little
// endian on every machine that WebGPU and Go's WASM run on.
func f32s(b []byte) []float32 {
	if len(b) < 4 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4)
}

func u32s(b []byte) []uint32 {
	if len(b) < 4 {
		return nil
	}
	return unsafe.Slice((*uint32)(unsafe.Pointer(&b[0])), len(b)/4)
}

// encode packs a struct of uint32, int32 and float32 fields.
func encode(params any) []byte {
	v := reflect.ValueOf(params)
	var b []byte
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Uint32:
			b = binary.LittleEndian.AppendUint32(b, uint32(f.Uint()))
		case reflect.Int32:
			b = binary.LittleEndian.AppendUint32(b, uint32(f.Int()))
		case reflect.Float32:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(f.Float())))
		default:
			panic(fmt.Sprintf("shaders: Params field %s is a %s", v.Type().Field(i).Name, f.Type()))
		}
	}
	for len(b)%16 != 0 { // a uniform struct's binding is a multiple of 16
		b = append(b, 0)
	}
	return b
}

// decode is the reverse of encode.
func decode[T any](b []byte) T {
	var out T
	v := reflect.ValueOf(&out).Elem()
	for i := range v.NumField() {
		w := binary.LittleEndian.Uint32(b[4*i:])
		switch f := v.Field(i); f.Kind() {
		case reflect.Uint32:
			f.SetUint(uint64(w))
		case reflect.Int32:
			f.SetInt(int64(int32(w)))
		case reflect.Float32:
			f.SetFloat(float64(math.Float32frombits(w)))
		}
	}
	return out
}

func view(t Tensor) View {
	if !t.Ok() {
		return View{}
	}
	return View{t.Buffer, t.Offset, t.Size()}
}

// mustBe panics with both shapes where a tensor is not [n, h, w, c].
func mustBe(kernel, name string, t Tensor, n, h, w, c int) {
	if !t.Ok() || t.N != n || t.H != h || t.W != w || t.C != c {
		panic(fmt.Sprintf("shaders: %s: %s is %v, want [%d, %d, %d, %d]", kernel, name, t, n, h, w, c))
	}
}

// optional is mustBe for a tensor that may be left out.
func optional(kernel, name string, t Tensor, n, h, w, c int) {
	if t.Ok() {
		mustBe(kernel, name, t, n, h, w, c)
	}
}

func ceil(a, b int) int { return (a + b - 1) / b }

func flag(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// MaxGroups is WebGPU's default limit of workgroups in one dimension. What is recorded
// may want more: Plan.Fits of package record refuses that.
const MaxGroups = 65535

// spread lays n workgroups out in x and y; a kernel finds its number as
// y * groups_x + x and leaves at once when that is n or more.
func spread(n int) [3]uint32 {
	x := min(n, MaxGroups)
	return [3]uint32{uint32(x), uint32(ceil(n, x)), 1}
}
