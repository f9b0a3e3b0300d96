package bundle

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mcdm/mcdm/weights/internal/jsonkeys"
	"github.com/mcdm/mcdm/weights/textencoder"
	"github.com/mcdm/mcdm/weights/tokenizer"
	"github.com/mcdm/mcdm/weights/unet"
)

// ValidName is the form of the names of bundles, networks and modalities: they
// become file names, flags and parts of tensor names.
var ValidName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

const (
	// MaxGrid is the largest number of a colour network's cells of a side.
	MaxGrid = 32
	// MaxLabels is the largest number of a mask's labels: an index is a byte, and one
	// of them is no label.
	MaxLabels = 255
)

var (
	validShard = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}-([0-9a-f]{16})\.safetensors$`)
	validColor = regexp.MustCompile(`^#[0-9a-f]{6}$`)
)

// ParseManifest reads and checks a manifest: everything that can be known
// without the shards. Its errors say what is wrong where.
func ParseManifest(data []byte) (*Manifest, error) {
	m, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ManifestName, err)
	}
	return m, nil
}

func parseManifest(data []byte) (*Manifest, error) {
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if len(data) > MaxManifest {
		return nil, fmt.Errorf("it has more than %d MiB: this is no bundle", MaxManifest>>20)
	}
	if err := jsonkeys.Check(data); err != nil {
		return nil, fmt.Errorf("%w: the file is torn or was edited; fetch or import the bundle again", err)
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Format != Format {
		return nil, fmt.Errorf("format is %q, not %q: this is no bundle", head.Format, Format)
	}
	if head.Version != Version {
		return nil, fmt.Errorf("version is %d and this program reads version %d: import the bundle again with the same release", head.Version, Version)
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	return m, m.resolve()
}

// resolve checks the manifest and fills what is not in its JSON.
func (m *Manifest) resolve() error {
	if !ValidName.MatchString(m.Name) {
		return fmt.Errorf("name %q: want %s", m.Name, ValidName)
	}
	if !slices.Contains(DTypes, m.DType) {
		return fmt.Errorf("dtype %q: want one of %s", m.DType, strings.Join(DTypes, ", "))
	}
	if err := m.Diffusion.Check(); err != nil {
		return err
	}
	if err := m.checkShards(); err != nil {
		return err
	}
	if len(m.Networks) == 0 {
		return errors.New("no networks")
	}
	names := map[string]bool{}
	plain := 0
	used := make([][]usedSpan, len(m.Shards))
	for _, n := range m.All() {
		if !ValidName.MatchString(n.Name) {
			return fmt.Errorf("network name %q: want %s", n.Name, ValidName)
		}
		if names[n.Name] {
			return fmt.Errorf("two networks are named %q", n.Name)
		}
		names[n.Name] = true
		if n.Modality == Unconditional && n != m.Upscaler {
			plain++
		}
		resolve := m.resolveNetwork
		if n == m.Upscaler {
			resolve = m.resolveUpscaler
		}
		if err := resolve(n, used); err != nil {
			return fmt.Errorf("network %q: %w", n.Name, err)
		}
	}
	if plain > 1 || (plain == 0 && len(m.Networks) > 1) {
		return fmt.Errorf("%d networks have modality %q: the merge of several networks needs exactly one", plain, Unconditional)
	}
	if plain == 1 && m.Networks[0].Modality != Unconditional {
		return fmt.Errorf("the network of modality %q is not the first", Unconditional)
	}
	return checkOverlap(m.Shards, used)
}

// Check refuses a diffusion that the engine cannot run, by name.
func (d Diffusion) Check() error {
	switch {
	case d.ImageSize < 1 || d.ImageSize > 1<<14:
		return fmt.Errorf("image_size = %d: want 1 to %d", d.ImageSize, 1<<14)
	case d.Channels < 1 || d.Channels > 64:
		return fmt.Errorf("channels = %d: want 1 to 64", d.Channels)
	case d.PixelUnshuffle < 1 || d.PixelUnshuffle > 64 || d.ImageSize%d.PixelUnshuffle != 0:
		return fmt.Errorf("pixel_unshuffle = %d: want a divisor of image_size = %d, at most 64", d.PixelUnshuffle, d.ImageSize)
	case d.PixelRange != [2]float64{-1, 1}: // what clipping, conditions and previews take for granted
		return fmt.Errorf("pixel_range = %v: want [-1, 1], black and white", d.PixelRange)
	case !slices.Contains([]string{Epsilon, Velocity, Sample}, d.PredictionType):
		return fmt.Errorf("prediction_type %q is not supported: want %s or %s, of an upscaler %s", d.PredictionType, Epsilon, Velocity, Sample)
	case d.Schedule.Name != "linear":
		return fmt.Errorf("schedule %q is not supported: want linear", d.Schedule.Name)
	case d.Schedule.T < 1 || d.Schedule.T > 1<<16:
		return fmt.Errorf("schedule: num_train_timesteps = %d: want 1 to %d", d.Schedule.T, 1<<16)
	case !(d.Schedule.BetaStart > 0 && d.Schedule.BetaStart <= d.Schedule.BetaEnd && d.Schedule.BetaEnd < 1):
		return fmt.Errorf("schedule: beta from %v to %v: want 0 < beta_start <= beta_end < 1", d.Schedule.BetaStart, d.Schedule.BetaEnd)
	}
	return nil
}

func (m *Manifest) checkShards() error {
	names := map[string]bool{}
	for _, s := range m.Shards {
		match := validShard.FindStringSubmatch(s.Name)
		if match == nil {
			return fmt.Errorf("shard name %q: want %s", s.Name, validShard)
		}
		if sum, err := hex.DecodeString(s.SHA256); err != nil || len(sum) != 32 || s.SHA256 != strings.ToLower(s.SHA256) {
			return fmt.Errorf("shard %s: sha256 %q: want 64 lower-case hexadecimal digits", s.Name, s.SHA256)
		}
		if !strings.HasPrefix(s.SHA256, match[1]) {
			return fmt.Errorf("shard %s: the name does not carry the first digits of its sha256 %s", s.Name, s.SHA256)
		}
		if s.Size < 8 || s.Size > MaxShard {
			return fmt.Errorf("shard %s: size %d: want 8 to %d bytes", s.Name, s.Size, MaxShard)
		}
		if names[s.Name] {
			return fmt.Errorf("shard %s is listed twice", s.Name)
		}
		names[s.Name] = true
	}
	return nil
}

func (m *Manifest) resolveNetwork(n *Network, used [][]usedSpan) error {
	if !ValidName.MatchString(n.Modality) {
		return fmt.Errorf("modality %q: want %s", n.Modality, ValidName)
	}
	if n.Modality == Upscale {
		return errors.New("an upscaler is no network of the merge: its place is the key upscaler (bundle import --upscaler)")
	}
	if m.Diffusion.PredictionType == Sample {
		return fmt.Errorf("prediction_type %s is that of an upscaler: networks that are merged predict %s or %s", Sample, Epsilon, Velocity)
	}
	if n.Diffusion != nil && *n.Diffusion != m.Diffusion {
		return fmt.Errorf("was trained with %+v and the bundle has %+v: networks of one bundle must share schedule, image size, unshuffle, pixel range and prediction type", *n.Diffusion, m.Diffusion)
	}
	if err := m.resolveUNet(n, m.Diffusion, used); err != nil {
		return err
	}
	if n.TextEncoder != nil {
		return m.resolveText(n, used)
	}
	return nil
}

func (m *Manifest) resolveUNet(n *Network, d Diffusion, used [][]usedSpan) (err error) {
	if n.UNet, err = unet.Parse(n.Config); err != nil {
		return err
	}
	if err := n.checkChannels(d); err != nil {
		return err
	}
	return m.checkTensors(n.Tensors, n.UNet.Tensors(), used)
}

// resolveUpscaler wants a network whose grid is the others' picture.
func (m *Manifest) resolveUpscaler(n *Network, used [][]usedSpan) error {
	small, d := m.Diffusion, n.Diffusion
	switch {
	case n.Modality != Upscale:
		return fmt.Errorf("modality %q: an upscaler's is %q", n.Modality, Upscale)
	case d == nil:
		return errors.New("an upscaler states its own diffusion")
	}
	if err := d.Check(); err != nil {
		return err
	}
	switch {
	case d.PredictionType != Sample:
		return fmt.Errorf("prediction_type %q: an upscaler predicts %q", d.PredictionType, Sample)
	case d.PixelUnshuffle < 2 || d.GridSize() != small.ImageSize:
		return fmt.Errorf("makes pictures of %d pixels with pixel_unshuffle %d, on a grid of %d: the bundle's pictures have %d, which must be that grid", d.ImageSize, d.PixelUnshuffle, d.GridSize(), small.ImageSize)
	case d.Channels != small.Channels || n.ConditionChannels != small.Channels:
		return fmt.Errorf("makes pictures of %d channels from %d: the bundle's have %d", d.Channels, n.ConditionChannels, small.Channels)
	case n.TextEncoder != nil || n.Labels != nil:
		return errors.New("an upscaler takes a picture: no text encoder, no labels")
	}
	if err := m.resolveUNet(n, *d, used); err != nil {
		return err
	}
	if n.UNet.CrossAttentionDim > 0 {
		return errors.New("an upscaler takes a picture, and this network cross-attends")
	}
	return nil
}

func (n *Network) checkChannels(d Diffusion) error {
	z := d.LatentChannels()
	if n.UNet.OutChannels != z {
		return fmt.Errorf("out_channels = %d, but z has %d (channels %d, pixel_unshuffle %d): eps must have z's shape", n.UNet.OutChannels, z, d.Channels, d.PixelUnshuffle)
	}
	if n.ConditionChannels < 0 || n.UNet.InChannels != z+n.ConditionChannels {
		return fmt.Errorf("in_channels = %d, but z has %d and the condition %d channels", n.UNet.InChannels, z, n.ConditionChannels)
	}
	// Without FitUpsample an odd grid on the way down no longer meets its skip.
	if down := 1 << (len(n.UNet.Down) - 1); !n.UNet.FitUpsample && d.GridSize()%down != 0 {
		return fmt.Errorf("the network's grid of %d is not a multiple of %d (%d levels)", d.GridSize(), down, len(n.UNet.Down))
	}
	if len(n.Labels) > MaxLabels {
		return fmt.Errorf("%d labels: want at most %d", len(n.Labels), MaxLabels)
	}
	for i, l := range n.Labels {
		if l.Name == "" || !validColor.MatchString(l.Color) {
			return fmt.Errorf("label %d: name %q, color %q: want a name and #rrggbb", i, l.Name, l.Color)
		}
	}
	return n.checkCondition(d)
}

// checkCondition compares what the network takes with what its modality gives.
// Other modalities than these can be kept in a bundle, but not be encoded.
func (n *Network) checkCondition(d Diffusion) error {
	r2 := d.PixelUnshuffle * d.PixelUnshuffle
	text := n.UNet.CrossAttentionDim > 0
	if text && slices.Contains([]string{"sketch", "mask", "colour"}, n.Modality) {
		return fmt.Errorf("modality %q, but the network cross-attends, and has nothing to attend to", n.Modality)
	}
	switch n.Modality {
	case Unconditional:
		if n.ConditionChannels != 0 || text {
			return fmt.Errorf("modality %q, but the network takes a condition", Unconditional)
		}
	case "sketch":
		if n.ConditionChannels != r2 {
			return fmt.Errorf("condition_channels = %d: a sketch has %d", n.ConditionChannels, r2)
		}
	case "mask":
		if len(n.Labels) == 0 || n.ConditionChannels != r2*len(n.Labels) {
			return fmt.Errorf("condition_channels = %d, but %d labels make %d", n.ConditionChannels, len(n.Labels), r2*len(n.Labels))
		}
	case "joint":
		if want := r2 * (1 + len(n.Labels)); !text || n.ConditionChannels != want {
			return fmt.Errorf("condition_channels = %d: a joint network has %d (a sketch's and those of %d labels), and cross-attends", n.ConditionChannels, want, len(n.Labels))
		}
	case "colour":
		if n.ConditionChannels != d.Channels+1 || d.Channels != 3 {
			return fmt.Errorf("condition_channels = %d with pictures of %d channels: a colour is R, G, B and whether it is known", n.ConditionChannels, d.Channels)
		}
		if n.Grid < 1 || n.Grid > MaxGrid || d.GridSize()%n.Grid != 0 {
			return fmt.Errorf("grid = %d: want cells of a side, at most %d, that divide the network's grid of %d", n.Grid, MaxGrid, d.GridSize())
		}
	case "text":
		if !text || n.ConditionChannels != 0 {
			return fmt.Errorf("condition_channels = %d: a text network has 0, and cross-attends", n.ConditionChannels)
		}
	}
	return nil
}

func (m *Manifest) resolveText(n *Network, used [][]usedSpan) error {
	t := n.TextEncoder
	var err error
	if t.Encoder, err = textencoder.Parse(t.Config); err != nil {
		return err
	}
	if t.Encoder.Hidden != n.UNet.CrossAttentionDim {
		return fmt.Errorf("text encoder: hidden_size = %d, but the network's cross_attention_dim is %d", t.Encoder.Hidden, n.UNet.CrossAttentionDim)
	}
	if len(t.Vocabulary) != t.Encoder.VocabSize {
		return fmt.Errorf("text encoder: vocabulary of %d words, but vocab_size = %d", len(t.Vocabulary), t.Encoder.VocabSize)
	}
	if t.Tokenizer, err = tokenizer.New(t.Vocabulary, t.Encoder.Length); err != nil {
		return fmt.Errorf("text encoder: %w", err)
	}
	if err := m.checkTensors(t.Tensors, t.Encoder.Tensors(), used); err != nil {
		return fmt.Errorf("text encoder: %w", err)
	}
	return nil
}

// checkTensors compares references with the names and shapes that the network
// must have, and their spans with the shards.
func (m *Manifest) checkTensors(refs map[string]TensorRef, want map[string][]int, used [][]usedSpan) error {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		ref, ok := refs[name]
		if !ok {
			return fmt.Errorf("tensor %q is missing", name)
		}
		if !slices.Equal(ref.Shape, want[name]) {
			return fmt.Errorf("tensor %q has shape %v, but config.json asks for %v", name, ref.Shape, want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if _, ok := want[name]; !ok {
			return fmt.Errorf("tensor %q does not belong to the network of config.json", name)
		}
		if err := m.checkRef(refs[name], name, used); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
	}
	return nil
}

var dtypeSize = map[string]int{"I8": 1, Coded: 1, "F16": 2, "F32": 4}

func (m *Manifest) checkRef(ref TensorRef, name string, used [][]usedSpan) error {
	size, ok := dtypeSize[ref.DType]
	if !ok {
		return fmt.Errorf("dtype %q: want I8, I8Z, F16 or F32", ref.DType)
	}
	row, err := product(append([]int{size}, ref.Shape[1:]...))
	if err != nil {
		return err
	}
	total, err := product([]int{row, ref.Shape[0]})
	if err != nil {
		return err
	}
	if len(ref.Parts) == 0 {
		return errors.New("no parts")
	}
	sum := 0
	for _, p := range ref.Parts {
		if err := m.checkSpan(p, name, used); err != nil {
			return err
		}
		if ref.DType != Coded && p.Length%row != 0 {
			return fmt.Errorf("a part of %d bytes does not end at a row of %d", p.Length, row)
		}
		sum += p.Length // each at most MaxShard and disjoint, so this cannot overflow
	}
	switch {
	case ref.DType == Coded && total > 8*sum: // what is allocated is bounded by what is there
		return fmt.Errorf("%d bytes for %s%v, which takes %d or more", sum, ref.DType, ref.Shape, (total+7)/8)
	case ref.DType != Coded && sum != total:
		return fmt.Errorf("%d bytes for %s%v, which takes %d", sum, ref.DType, ref.Shape, total)
	}
	switch {
	case ref.plain() != "I8":
		if ref.Scale != nil {
			return fmt.Errorf("%s has no scale", ref.DType)
		}
		return nil
	case len(ref.Shape) < 2:
		return fmt.Errorf("%s needs two axes or more; the shape is %v", ref.DType, ref.Shape)
	case ref.Scale == nil:
		return fmt.Errorf("%s without scale", ref.DType)
	case ref.Scale.Length != 4*ref.Shape[0]:
		return fmt.Errorf("scale of %d bytes; %d channels take %d", ref.Scale.Length, ref.Shape[0], 4*ref.Shape[0])
	}
	return m.checkSpan(*ref.Scale, name+" (scale)", used)
}

// product multiplies positive numbers and refuses what cannot lie in shards.
func product(values []int) (int, error) {
	const limit = 1 << 40
	p := 1
	for _, v := range values {
		if v < 1 || v > limit/p {
			return 0, fmt.Errorf("shape with %d is empty or too large", v)
		}
		p *= v
	}
	return p, nil
}

type usedSpan struct {
	Span
	tensor string
}

func (m *Manifest) checkSpan(s Span, tensor string, used [][]usedSpan) error {
	if s.Shard < 0 || s.Shard >= len(m.Shards) {
		return fmt.Errorf("shard %d: the bundle has %d", s.Shard, len(m.Shards))
	}
	shard := m.Shards[s.Shard]
	if s.Offset < 8 || s.Length < 1 || s.Offset > shard.Size || s.Length > shard.Size-s.Offset {
		return fmt.Errorf("bytes %d+%d lie outside shard %s of %d bytes", s.Offset, s.Length, shard.Name, shard.Size)
	}
	used[s.Shard] = append(used[s.Shard], usedSpan{s, tensor})
	return nil
}

func checkOverlap(shards []Shard, used [][]usedSpan) error {
	for i, spans := range used {
		slices.SortFunc(spans, func(a, b usedSpan) int { return cmp.Compare(a.Offset, b.Offset) })
		for j := 1; j < len(spans); j++ {
			a, b := spans[j-1], spans[j]
			if a.Offset+a.Length > b.Offset {
				return fmt.Errorf("shard %s: tensors %q and %q overlap at byte %d", shards[i].Name, a.tensor, b.tensor, b.Offset)
			}
		}
	}
	return nil
}
