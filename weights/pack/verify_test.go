package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
)

// one returns a bundle of one network.
func one(t testing.TB) Files { return oneOf(t, 0) }

// coded is one whose weights are coded. Files may be changed, not their bytes.
func coded(t testing.TB) Files {
	t.Helper()
	makeCoded.Do(func() { madeCoded = oneOf(t, .135) })
	return maps.Clone(madeCoded)
}

var (
	makeCoded sync.Once
	madeCoded Files
)

func oneOf(t testing.TB, megabytes float64) Files {
	t.Helper()
	dir := t.TempDir()
	save(t, dir, 1, plain(0), mcdm("none", 0))
	files, _, err := Import(Options{Name: "one", DType: "int8", Networks: []Source{{"none", dir}}, Megabytes: megabytes})
	require.NoError(t, err)
	return files
}

func manifest(t testing.TB, files Files) *bundle.Manifest {
	t.Helper()
	m, err := bundle.ParseManifest(files[bundle.ManifestName])
	require.NoError(t, err)
	return m
}

// resign puts changed bytes in a shard's place with a matching hash and name.
func resign(t testing.TB, files Files, m *bundle.Manifest, i int, data []byte) {
	t.Helper()
	s := &m.Shards[i]
	delete(files, s.Name)
	sum := sha256.Sum256(data)
	s.SHA256, s.Size = hex.EncodeToString(sum[:]), len(data)
	s.Name = fmt.Sprintf("none-%d-%.16s.safetensors", i, s.SHA256)
	files[s.Name] = data
	var err error
	files[bundle.ManifestName], err = json.Marshal(m)
	require.NoError(t, err)
}

func TestVerifyFinds(t *testing.T) {
	const conv = "conv_in.weight"
	for name, test := range map[string]struct {
		spoil func(t *testing.T, files Files, m *bundle.Manifest)
		want  string
	}{
		"nothing": {func(t *testing.T, files Files, m *bundle.Manifest) {}, ""},
		"a flipped bit": {func(t *testing.T, files Files, m *bundle.Manifest) {
			files[m.Shards[0].Name][1000] ^= 1
		}, "SHA-256"},
		"a torn shard": {func(t *testing.T, files Files, m *bundle.Manifest) {
			files[m.Shards[0].Name] = files[m.Shards[0].Name][:100]
		}, "torn"},
		"a longer shard": {func(t *testing.T, files Files, m *bundle.Manifest) {
			files[m.Shards[0].Name] = append(files[m.Shards[0].Name], 0)
		}, "torn"},
		"a missing shard": {func(t *testing.T, files Files, m *bundle.Manifest) {
			delete(files, m.Shards[0].Name)
		}, "missing"},
		"a NaN scale": {func(t *testing.T, files Files, m *bundle.Manifest) {
			data := files[m.Shards[0].Name]
			binary.LittleEndian.PutUint32(data[m.Networks[0].Tensors[conv].Scale.Offset:], math.Float32bits(float32(math.NaN())))
			resign(t, files, m, 0, data)
		}, `"conv_in.weight": the scale of channel 0 is NaN`},
		"a negative scale": {func(t *testing.T, files Files, m *bundle.Manifest) {
			data := files[m.Shards[0].Name]
			binary.LittleEndian.PutUint32(data[m.Networks[0].Tensors[conv].Scale.Offset+4:], math.Float32bits(-1))
			resign(t, files, m, 0, data)
		}, "scale of channel 1 is -1"},
		"an infinite bias": {func(t *testing.T, files Files, m *bundle.Manifest) {
			data := files[m.Shards[0].Name]
			binary.LittleEndian.PutUint32(data[m.Networks[0].Tensors["conv_in.bias"].Parts[0].Offset:], math.Float32bits(float32(math.Inf(1))))
			resign(t, files, m, 0, data)
		}, `"conv_in.bias": value 0 is +Inf`},
		"-128": {func(t *testing.T, files Files, m *bundle.Manifest) {
			data := files[m.Shards[0].Name]
			data[m.Networks[0].Tensors[conv].Parts[0].Offset] = 0x80
			resign(t, files, m, 0, data)
		}, "-128"},
		"a span beside its entry": {func(t *testing.T, files Files, m *bundle.Manifest) {
			a, b := m.Networks[0].Tensors["conv_norm_out.bias"], m.Networks[0].Tensors["conv_norm_out.weight"]
			a.Parts, b.Parts = b.Parts, a.Parts
			m.Networks[0].Tensors["conv_norm_out.bias"], m.Networks[0].Tensors["conv_norm_out.weight"] = a, b
			resign(t, files, m, 0, files[m.Shards[0].Name])
		}, "the manifest says"},
		"a scale of another shape": {func(t *testing.T, files Files, m *bundle.Manifest) {
			data := files[m.Shards[0].Name]
			n := binary.LittleEndian.Uint64(data)
			before, after, found := strings.Cut(string(data[8:8+n]), `"`+conv+`.scale"`)
			require.True(t, found)
			const more = 8 // bytes of header: two that lie, and padding
			header := before + `"` + conv + `.scale"` + strings.Replace(after, "[16]", "[16,1]", 1) + strings.Repeat(" ", more-2)
			for name, r := range m.Networks[0].Tensors {
				r.Parts[0].Offset += more
				if r.Scale != nil {
					r.Scale.Offset += more
				}
				m.Networks[0].Tensors[name] = r
			}
			resign(t, files, m, 0, slices.Concat(binary.LittleEndian.AppendUint64(nil, n+more), []byte(header), data[8+n:]))
		}, "says shape [16 1] of its scale, the manifest [16]"},
		"a shard that is no safetensors": {func(t *testing.T, files Files, m *bundle.Manifest) {
			data := files[m.Shards[0].Name]
			data[0] ^= 0xff
			resign(t, files, m, 0, data)
		}, "not a whole safetensors file"},
	} {
		t.Run(name, func(t *testing.T) {
			files := one(t)
			test.spoil(t, files, manifest(t, files))
			err := Verify(mapFS(files))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

// A manifest that lies is refused before any shard is read: there are none.
type manifestLie struct {
	spoil func(m *bundle.Manifest)
	want  string
}

// manifestLies are told by manifests of one network.
// The merge goes by it.
func TestUnconditionalComesFirst(t *testing.T) {
	files, _, err := Import(five(t))
	require.NoError(t, err)
	m := manifest(t, files)
	m.Networks[0], m.Networks[1] = m.Networks[1], m.Networks[0]
	data, err := json.Marshal(m)
	require.NoError(t, err)
	_, err = bundle.ParseManifest(data)
	require.ErrorContains(t, err, `the network of modality "none" is not the first`)
}

func manifestLies() map[string]manifestLie {
	type M = bundle.Manifest
	ref := func(change func(r *bundle.TensorRef)) func(m *M) {
		return func(m *M) {
			r := m.Networks[0].Tensors["conv_in.weight"]
			change(&r)
			m.Networks[0].Tensors["conv_in.weight"] = r
		}
	}
	return map[string]manifestLie{
		"format":              {func(m *M) { m.Format = "gguf" }, `format is "gguf"`},
		"version":             {func(m *M) { m.Version = 2 }, "version is 2"},
		"name":                {func(m *M) { m.Name = "../x" }, `name "../x"`},
		"bundle dtype":        {func(m *M) { m.DType = "int4" }, `dtype "int4": want one of int8, f16, f32`},
		"network name":        {func(m *M) { m.Networks[0].Name = "A" }, `network name "A"`},
		"no networks":         {func(m *M) { m.Networks = nil }, "no networks"},
		"twice":               {func(m *M) { m.Networks = append(m.Networks, m.Networks[0]) }, "two networks"},
		"schedule":            {func(m *M) { m.Diffusion.Schedule.BetaEnd = .03 }, "must share schedule"},
		"beta":                {func(m *M) { m.Diffusion.Schedule.BetaEnd = 1; *m.Networks[0].Diffusion = m.Diffusion }, "beta_end < 1"},
		"steps":               {func(m *M) { m.Diffusion.Schedule.T = 1 << 40; *m.Networks[0].Diffusion = m.Diffusion }, "num_train_timesteps"},
		"range":               {func(m *M) { m.Diffusion.PixelRange = [2]float64{0, 1} }, "pixel_range = [0 1]: want [-1, 1]"},
		"unshuffle":           {func(m *M) { m.Diffusion.PixelUnshuffle = 3 }, "pixel_unshuffle"},
		"image size":          {func(m *M) { m.Diffusion.ImageSize = -4 }, "image_size"},
		"condition":           {func(m *M) { m.Networks[0].ConditionChannels = -4 }, "condition"},
		"modality":            {func(m *M) { m.Networks[0].Modality = "text" }, "cross-attends"},
		"mask":                {func(m *M) { m.Networks[0].Modality = "mask" }, "labels"},
		"colour":              {func(m *M) { m.Networks[0].Modality = "colour" }, "whether it is known"},
		"labels":              {func(m *M) { m.Networks[0].Labels = make([]bundle.Label, 256) }, "256 labels: want at most 255"},
		"label color":         {func(m *M) { m.Networks[0].Labels = []bundle.Label{{Name: "x", Color: "red"}} }, "#rrggbb"},
		"shard name":          {func(m *M) { m.Shards[0].Name = "../" + m.Shards[0].Name }, "shard name"},
		"shard size":          {func(m *M) { m.Shards[0].Size = 1 << 40 }, "size"},
		"shard hash":          {func(m *M) { m.Shards[0].SHA256 = strings.Repeat("0", 64) }, "does not carry"},
		"short hash":          {func(m *M) { m.Shards[0].SHA256 = "00" }, "64"},
		"shard twice":         {func(m *M) { m.Shards = append(m.Shards, m.Shards[0]) }, "listed twice"},
		"no tensor":           {func(m *M) { delete(m.Networks[0].Tensors, "conv_in.weight") }, `"conv_in.weight" is missing`},
		"alien tensor":        {func(m *M) { m.Networks[0].Tensors["x"] = m.Networks[0].Tensors["conv_in.weight"] }, "does not belong"},
		"wrong shape":         {ref(func(r *bundle.TensorRef) { r.Shape[0]++ }), `"conv_in.weight" has shape [17 12 3 3], but config.json asks for [16 12 3 3]`},
		"dtype":               {ref(func(r *bundle.TensorRef) { r.DType = "F8" }), `dtype "F8"`},
		"dtype of other size": {ref(func(r *bundle.TensorRef) { r.DType, r.Scale = "F16", nil }), "1728 bytes for F16"},
		"no parts":            {ref(func(r *bundle.TensorRef) { r.Parts = nil }), "no parts"},
		"short":               {ref(func(r *bundle.TensorRef) { r.Parts[0].Length -= 108 }), "1620 bytes for I8"},
		"no whole row":        {ref(func(r *bundle.TensorRef) { r.Parts[0].Length-- }), "row"},
		"outside":             {ref(func(r *bundle.TensorRef) { r.Parts[0].Offset = 1 << 30 }), "outside shard"},
		"overflow":            {ref(func(r *bundle.TensorRef) { r.Parts[0].Offset = math.MaxInt }), "outside shard"},
		"long overflow":       {ref(func(r *bundle.TensorRef) { r.Parts[0].Length = math.MaxInt }), "outside shard"},
		"negative":            {ref(func(r *bundle.TensorRef) { r.Parts[0].Offset = -1728 }), "outside shard"},
		"no such shard":       {ref(func(r *bundle.TensorRef) { r.Parts[0].Shard = 9 }), "shard 9"},
		"negative shard":      {ref(func(r *bundle.TensorRef) { r.Parts[0].Shard = -1 }), "shard -1"},
		"overlap":             {ref(func(r *bundle.TensorRef) { r.Parts[0].Offset -= 4 }), "overlap"},
		"no scale":            {ref(func(r *bundle.TensorRef) { r.Scale = nil }), "without scale"},
		"short scale":         {ref(func(r *bundle.TensorRef) { r.Scale.Length = 4 }), "scale of 4 bytes"},
		"overlapping scale":   {ref(func(r *bundle.TensorRef) { r.Scale.Offset += 4 }), "overlap"},
		"huge shape": {func(m *M) {
			m.Networks[0].Config = json.RawMessage(strings.Replace(string(m.Networks[0].Config), `"block_out_channels":[16,32]`, `"block_out_channels":[65536,65536]`, 1))
		}, "has shape"},
		"config": {func(m *M) { m.Networks[0].Config = json.RawMessage(`{"_class_name":"UNet2DModel","act_fn":"relu"}`) }, "act_fn = relu"},
	}
}

// codedLies are told by manifests of one network whose weights are coded.
func codedLies() map[string]manifestLie {
	ref := func(change func(r *bundle.TensorRef)) func(m *bundle.Manifest) {
		return func(m *bundle.Manifest) {
			r := m.Networks[0].Tensors["conv_in.weight"]
			change(&r)
			m.Networks[0].Tensors["conv_in.weight"] = r
		}
	}
	return map[string]manifestLie{
		"a bomb":       {ref(func(r *bundle.TensorRef) { r.Parts[0].Length = 1728/8 - 1 }), "215 bytes for I8Z[16 12 3 3], which takes 216 or more"},
		"no bytes":     {ref(func(r *bundle.TensorRef) { r.Parts[0].Length = 0 }), "outside shard"},
		"no parts":     {ref(func(r *bundle.TensorRef) { r.Parts = nil }), "no parts"},
		"no scale":     {ref(func(r *bundle.TensorRef) { r.Scale = nil }), "I8Z without scale"},
		"short scale":  {ref(func(r *bundle.TensorRef) { r.Scale.Length = 4 }), "scale of 4 bytes"},
		"not coded":    {ref(func(r *bundle.TensorRef) { r.DType = "I8" }), "does not end at a row"},
		"negative row": {ref(func(r *bundle.TensorRef) { r.Shape[1] = -r.Shape[1] }), "has shape"},
		"a vector": {func(m *bundle.Manifest) {
			r := m.Networks[0].Tensors["conv_in.bias"]
			r.DType = bundle.Coded
			m.Networks[0].Tensors["conv_in.bias"] = r
		}, "I8Z needs two axes or more"},
	}
}

func TestCodedManifestLies(t *testing.T) {
	files := coded(t)
	for name, test := range codedLies() {
		t.Run(name, func(t *testing.T) {
			m := manifest(t, files)
			test.spoil(m)
			data, err := json.Marshal(m)
			require.NoError(t, err)
			_, err = bundle.ParseManifest(data)
			require.ErrorContains(t, err, `tensor "conv_in.`)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// A code that makes other values than its tensor's is refused, by its name.
func TestCodedVerifyFinds(t *testing.T) {
	const conv = "conv_in.weight"
	for name, test := range map[string]struct {
		spoil func(m *bundle.Manifest, code []byte)
		want  string
	}{
		"nothing":        {func(*bundle.Manifest, []byte) {}, ""},
		"no such tree":   {func(_ *bundle.Manifest, code []byte) { clear(code[4:10]) }, "the code of its values from 0 on: "},
		"other streams":  {func(_ *bundle.Manifest, code []byte) { code[len(code)-1] = 0 }, "the code of its values from 0 on: "},
		"a long block":   {func(_ *bundle.Manifest, code []byte) { copy(code, "\xff\xff\xff\xff") }, "has 4294967295 bytes, and "},
		"an empty block": {func(_ *bundle.Manifest, code []byte) { clear(code[:4]) }, "input too small"},
		"another length": {func(m *bundle.Manifest, _ []byte) { m.Networks[0].Tensors[conv].Parts[0].Length-- }, "the manifest says U8"},
		"fewer values":   {func(_ *bundle.Manifest, code []byte) { copy(code, coded1D(t, 1720)) }, "the code of its values from 0 on: "},
		"more values":    {func(_ *bundle.Manifest, code []byte) { copy(code, coded1D(t, 1736)) }, "the code of its values from 0 on: "},
		"bytes behind":   {func(_ *bundle.Manifest, code []byte) { copy(code, coded1D(t, 1728)) }, "bytes follow the code of its values"},
	} {
		t.Run(name, func(t *testing.T) {
			files := coded(t)
			m := manifest(t, files)
			p := m.Networks[0].Tensors[conv].Parts[0]
			data := bytes.Clone(files[m.Shards[p.Shard].Name])
			test.spoil(m, data[p.Offset:p.Offset+p.Length])
			resign(t, files, m, p.Shard, data)
			err := Verify(mapFS(files))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, `tensor "conv_in.weight"`)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// coded1D is the code of n values, mostly zeros, in few bytes.
func coded1D(t *testing.T, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	data[n/2] = 1
	c := code(bundle.Tensor{DType: "I8", Data: data})
	require.Equal(t, bundle.Coded, c.DType)
	return c.Data
}

func TestManifestLies(t *testing.T) {
	for name, test := range manifestLies() {
		t.Run(name, func(t *testing.T) {
			m := manifest(t, one(t))
			test.spoil(m)
			data, err := json.Marshal(m)
			require.NoError(t, err)
			_, err = bundle.ParseManifest(data)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, bundle.ManifestName)
		})
	}
}

// The same for what only a text network has.
func TestTextManifestLies(t *testing.T) {
	files, _, err := Import(five(t))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		spoil func(e *bundle.TextEncoder)
		want  string
	}{
		"vocabulary":  {func(e *bundle.TextEncoder) { e.Vocabulary = e.Vocabulary[1:] }, "vocabulary of 3 words"},
		"order":       {func(e *bundle.TextEncoder) { e.Vocabulary[0] = "red" }, "want <pad>, <unk>"},
		"twice":       {func(e *bundle.TextEncoder) { e.Vocabulary[3] = "red" }, `"red" is id 2 and 3`},
		"width":       {func(e *bundle.TextEncoder) { e.Config = []byte(strings.Replace(string(e.Config), "24", "12", 1)) }, "cross_attention_dim is 24"},
		"class":       {func(e *bundle.TextEncoder) { e.Config = []byte(`{"_class_name":"CLIPTextModel"}`) }, "CLIPTextModel"},
		"lost tensor": {func(e *bundle.TextEncoder) { delete(e.Tensors, "text_model.final_layer_norm.bias") }, "final_layer_norm.bias"},
	} {
		m := manifest(t, files)
		test.spoil(m.Network("text").TextEncoder)
		data, err := json.Marshal(m)
		require.NoError(t, err)
		_, err = bundle.ParseManifest(data)
		require.ErrorContains(t, err, test.want, name)
		require.ErrorContains(t, err, `network "text": text encoder`, name)
	}
}

func TestManifestBytes(t *testing.T) {
	good := string(one(t)[bundle.ManifestName])
	for name, test := range map[string]struct{ data, want string }{
		"torn":          {good[:len(good)/2], "torn"},
		"empty":         {"", "torn"},
		"repeated key":  {strings.Replace(good, `"version":1`, `"version":1,"version":1`, 1), `"version" appears twice`},
		"long span":     {strings.Replace(good, `"parts":[[0,`, `"parts":[[0,0,`, 1), "a span is"},
		"floating span": {strings.Replace(good, `"parts":[[0,`, `"parts":[[0.5,`, 1), "cannot unmarshal"},
	} {
		_, err := bundle.ParseManifest([]byte(test.data))
		require.ErrorContains(t, err, test.want, name)
	}
	_, err := bundle.ParseManifest([]byte(strings.Replace(good, `"version":1`, `"version":1,"later":{"x":[1]}`, 1)))
	require.NoError(t, err, "unknown keys are ignored")
}

// A folder whose files do not end is refused, and little of them is read.
func TestEndlessFiles(t *testing.T) {
	files := one(t)
	shard := manifest(t, files).Shards[0]
	for _, c := range []struct {
		name, want string
		most       int
	}{
		{bundle.ManifestName, "manifest.json: it has more than 16 MiB", bundle.MaxManifest + 1},
		{shard.Name, "torn", shard.Size + 1},
	} {
		folder := endless{mapFS(files), c.name, new(int)}
		require.ErrorContains(t, Verify(folder), c.want)
		require.LessOrEqual(t, *folder.read, c.most, c.name)
	}
}

// endless is a folder in which one file does not end.
type endless struct {
	fs.FS
	name string
	read *int // bytes of that file
}

func (e endless) Open(name string) (fs.File, error) {
	f, err := e.FS.Open(name)
	if name == e.name && err == nil {
		f = zeros{f, e.read}
	}
	return f, err
}

type zeros struct {
	fs.File
	read *int
}

func (z zeros) Read(p []byte) (int, error) {
	if *z.read += len(p); *z.read > 100<<20 {
		return 0, errors.New("too much is read")
	}
	clear(p)
	return len(p), nil
}

func TestTensorIsRead(t *testing.T) {
	files := one(t)
	folder := mapFS(files)
	b, err := bundle.Open(folder)
	require.NoError(t, err)
	n, s := b.Manifest.Unconditional(), b.Shards()[0]
	good := files[s.Name]
	for want, data := range map[string][]byte{"torn": good[1:], "damaged": append(good[:len(good)-1:len(good)-1], good[len(good)-1]+1)} {
		folder[s.Name].Data = data
		_, err = b.Tensor(n, "conv_in.weight")
		require.ErrorContains(t, err, want)
	}
	delete(folder, s.Name)
	_, err = b.Tensor(n, "conv_in.weight")
	require.ErrorContains(t, err, "missing")
	folder = mapFS(files)
	b, err = bundle.Open(folder)
	require.NoError(t, err)
	_, err = b.Tensor(n, "conv_in.weight")
	require.NoError(t, err)
	_, err = b.Tensor(n, "conv_in.wait")
	require.ErrorContains(t, err, `no tensor "conv_in.wait"`)
	delete(folder, s.Name)
	_, err = b.Tensor(n, "conv_in.weight")
	require.NoError(t, err, "it has been read")
	b.Release()
	_, err = b.Tensor(n, "conv_in.weight")
	require.ErrorContains(t, err, "missing")
	_, err = bundle.Open(mapFS(Files{}))
	require.ErrorContains(t, err, "no bundle here")
}

// Manifests with a few bytes changed are read or refused, never a panic.
func TestDamagedManifests(t *testing.T) {
	good := one(t)[bundle.ManifestName]
	r := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 200 {
		data := append([]byte(nil), good...)
		for range 1 + r.IntN(3) {
			i := r.IntN(len(data))
			if digit := data[i]; digit >= '0' && digit <= '9' || r.IntN(4) > 0 {
				data[i] = "0123456789-e[]{},null"[r.IntN(21)]
			} else {
				data = append(data[:i], data[i+1:]...)
			}
		}
		if _, err := bundle.ParseManifest(data); err != nil {
			refused++
		}
	}
	require.Greater(t, refused, 150)
}
