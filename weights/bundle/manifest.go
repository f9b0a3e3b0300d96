// Package bundle reads bundles: folders with the quantized weights of one
// unconditional network and any number of modality networks that share one
// diffusion. It writes none (package pack does) and is small enough for the
// browser.
//
// # Format, version 1
//
// A bundle is a folder with manifest.json and shards. manifest.json is the JSON
// form of type Manifest; unknown keys are ignored, repeated keys refused.
//
// A shard is a valid safetensors file of at most 4 MiB. Its name ends in the
// first 16 hexadecimal digits of its SHA-256 and ".safetensors", so a shard of
// one name never changes and may be cached for ever. No byte of a shard is used
// before its SHA-256 has been checked. A shard holds tensors of one network only
// and shards lie in the order in which they are to be loaded.
//
// Tensors have the names and shapes of diffusers' state dict (convolutions
// [O, I, kh, kw], linears [O, I]); the text encoder's have those of Hugging
// Face's CLIPTextModel. Values are little endian and row-major:
//
//	F32  IEEE 754 single
//	F16  IEEE 754 half
//	I8   w[o, ...] = scale[o] * q[o, ...], q in -127..127, scale f32 > 0, one for
//	     each index o of axis 0 (output channel)
//	I8Z  I8 whose values, a byte each, are Huffman-coded: k = ceil(n / 131072) blocks
//	     of ceil(n / k) values, the last of the rest. A block is its length in bytes
//	     as u32, a Huffman tree description of Zstandard (RFC 8878, 4.2.1) and the
//	     values in four streams behind their jump table (4.2.2, 3.1.1.3.1.6). In
//	     the shard it is U8 [bytes]
//
// A bundle may have an upscaler, which makes finished pictures r times as large
// (SR3, Saharia et al. 2021). It is a diffusion of its own, with pixel_unshuffle
// = r, so that its grid is the small picture: every pixel of that is a place
// where z has the r*r large ones. The small picture's channels are concatenated
// to z, and the network predicts the large one's x0 as its difference from the
// small one with every pixel repeated r*r times.
//
// A bundle of dtype "int8" has I8 for every tensor of two or more axes but the
// embeddings, which are F16, or I8Z where it was made for a size: scales are then
// wider than I8 needs, values small, and a common one takes fewer bits. A bundle of
// dtype "f16" has F16 there, "f32" F32. Norms and biases are always F32. A reader
// goes by each tensor's own dtype.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/mcdm/mcdm/weights/textencoder"
	"github.com/mcdm/mcdm/weights/tokenizer"
	"github.com/mcdm/mcdm/weights/unet"
)

// Format and Version open every manifest. A reader refuses other versions.
const (
	Format  = "mcdm-bundle"
	Version = 1
)

// ManifestName is the manifest's file name.
const ManifestName = "manifest.json"

// DTypes are those that a bundle may be asked for.
var DTypes = []string{"int8", "f16", "f32"}

// Coded is the dtype of I8 tensors that are stored Huffman-coded. Tensors that have
// been read are I8.
const Coded = "I8Z"

// MaxShard is the largest size of a shard in bytes, MaxManifest of a manifest.
const (
	MaxShard    = 4 << 20
	MaxManifest = 16 << 20
)

// What networks predict, in diffusers' words. From a velocity v = sqrt(abar) eps -
// sqrt(1 - abar) x (Salimans and Ho 2022) the noise follows as eps = sqrt(abar) v +
// sqrt(1 - abar) z.
const (
	Epsilon  = "epsilon"
	Velocity = "v_prediction"
	Sample   = "sample" // x0 itself, less what is known of it: of upscalers
)

// Unconditional is the modality of the network without a condition (eps_0).
const Unconditional = "none"

// Upscale is the modality of an upscaler.
const Upscale = "upscale"

// Manifest is manifest.json.
type Manifest struct {
	Format  string `json:"format"`  // "mcdm-bundle"
	Version int    `json:"version"` // 1
	Name    string `json:"name"`    // for people and file names: [a-z0-9_-]+
	DType   string `json:"dtype"`   // one of DTypes: what the importer was asked for

	// Diffusion is shared by all networks.
	Diffusion Diffusion `json:"diffusion"`

	// Networks, the unconditional one first. One network alone is a bundle too;
	// with several, exactly one has modality "none", since the merge needs eps_0.
	Networks []Network `json:"networks"`

	// Upscaler makes their pictures larger; nil: the bundle has none. It has modality
	// "upscale" and a Diffusion of its own.
	Upscaler *Network `json:"upscaler,omitempty"`

	Terms    string `json:"terms,omitempty"`     // licence of the weights, in words or as an SPDX id
	DataCard string `json:"data_card,omitempty"` // plain text: what the networks were trained on

	Shards []Shard `json:"shards"` // in load order
}

// Diffusion is what networks must share to be merged: one process on one space.
type Diffusion struct {
	// ImageSize is the height and width of the picture, in pixels; Channels its
	// colour channels (3 = RGB). PixelRange is the value of black and of white: -1 and 1.
	ImageSize  int        `json:"image_size"`
	Channels   int        `json:"channels"`
	PixelRange [2]float64 `json:"pixel_range"`

	// PixelUnshuffle is r of torch's pixel_unshuffle: the networks see z of
	// Channels*r*r channels on a grid of ImageSize/r; channel c*r*r + dy*r + dx of
	// z at (y, x) is channel c of the picture at (y*r+dy, x*r+dx).
	PixelUnshuffle int `json:"pixel_unshuffle"`

	Schedule       Schedule `json:"schedule"`
	PredictionType string   `json:"prediction_type"` // Epsilon or Velocity
}

// Schedule gives beta_t. Keys are those of diffusers' scheduler_config.json.
type Schedule struct {
	Name      string  `json:"name"`                // "linear": T values evenly from BetaStart to BetaEnd
	T         int     `json:"num_train_timesteps"` //
	BetaStart float64 `json:"beta_start"`
	BetaEnd   float64 `json:"beta_end"`
}

// LatentChannels is the number of channels of z.
func (d Diffusion) LatentChannels() int { return d.Channels * d.PixelUnshuffle * d.PixelUnshuffle }

// GridSize is the height and width of z.
func (d Diffusion) GridSize() int { return d.ImageSize / d.PixelUnshuffle }

// Network is one eps model.
type Network struct {
	Name     string `json:"name"`     // unique; [a-z0-9_-]+
	Modality string `json:"modality"` // "none", "sketch", "mask", "text", "colour", ...

	// Diffusion states what this network was trained with, where the manifest is
	// made from networks that say so. A bundle where it differs from the
	// manifest's is refused. An upscaler must have it: ImageSize is the large
	// picture's, PixelUnshuffle how many times larger that is.
	Diffusion *Diffusion `json:"diffusion,omitempty"`

	// ConditionChannels are concatenated to z, after it, on the network's own
	// grid: UNet.InChannels = LatentChannels + ConditionChannels.
	//   sketch: ink in [0, 1], pixel-unshuffled (r*r channels)
	//   mask:   one-hot over Labels, all zero where unknown, pixel-unshuffled:
	//           channel label*r*r + dy*r + dx
	//   upscale: the small picture, one channel for each of its own
	//   colour: R, G, B in -1..1 and 1 where known, all zero elsewhere: one colour
	//           for each of Grid x Grid cells, repeated over the cell
	//   joint:  a sketch's channels, then a mask's, all zero for what is not given
	ConditionChannels int `json:"condition_channels"`

	Labels []Label `json:"labels,omitempty"` // of a mask, in index order
	Grid   int     `json:"grid,omitempty"`   // of colours: cells of a side

	// Config is diffusers' config.json as it was; UNet is it resolved.
	Config json.RawMessage `json:"config"`
	UNet   *unet.Config    `json:"-"`

	Tensors     map[string]TensorRef `json:"tensors"`
	TextEncoder *TextEncoder         `json:"text_encoder,omitempty"`

	// Training holds facts for people, as the trainer wrote them: pictures seen,
	// data set, seeds, terms.
	Training json.RawMessage `json:"training,omitempty"`
}

// Label is one index of a mask.
type Label struct {
	Name  string `json:"name"`
	Color string `json:"color"` // "#rrggbb": how the page paints it
}

// TextEncoder makes encoder_hidden_states for a network. A network whose UNet
// cross-attends but that has none here must be given them from outside.
type TextEncoder struct {
	// Config is the encoder's config.json as it was; Encoder is it resolved.
	Config  json.RawMessage     `json:"config"`
	Encoder *textencoder.Config `json:"-"`

	// Vocabulary[id] is a word; 0 is <pad>, 1 is <unk>. Package tokenizer has
	// the rule that splits a text; Tokenizer is one with this vocabulary and the
	// encoder's length.
	Vocabulary []string             `json:"vocabulary"`
	Tokenizer  *tokenizer.Tokenizer `json:"-"`

	Tensors map[string]TensorRef `json:"tensors"`
}

// TensorRef says what a tensor is and where its bytes are.
type TensorRef struct {
	DType string `json:"dtype"` // "I8", "I8Z", "F16" or "F32"
	Shape []int  `json:"shape"`

	// Parts hold the values: one span, or several whose concatenation is the
	// tensor cut along axis 0 (a tensor larger than a shard), or I8Z's blocks.
	Parts []Span `json:"parts"`

	// Scale holds the Shape[0] f32 scales of an I8 or I8Z tensor; nil otherwise.
	Scale *Span `json:"scale,omitempty"`
}

// Span is a range of bytes of a shard file; in JSON [shard, offset, length].
// Offset counts from the file's first byte, the safetensors header included.
type Span struct {
	Shard  int // index into Manifest.Shards
	Offset int // bytes
	Length int // bytes
}

// MarshalJSON writes [shard, offset, length].
func (s Span) MarshalJSON() ([]byte, error) {
	return json.Marshal([3]int{s.Shard, s.Offset, s.Length})
}

// UnmarshalJSON reads [shard, offset, length].
func (s *Span) UnmarshalJSON(data []byte) error {
	var v []int
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	if len(v) != 3 {
		return fmt.Errorf("a span is [shard, offset, length]; got %s", data)
	}
	*s = Span{v[0], v[1], v[2]}
	return nil
}

// Shard is one file of weights.
type Shard struct {
	Name   string `json:"name"`   // file name in the bundle's folder
	Size   int    `json:"size"`   // bytes, at most MaxShard
	SHA256 string `json:"sha256"` // of the whole file, 64 hexadecimal digits, lower case
}

// All lists the networks and, behind them, the upscaler.
func (m *Manifest) All() []*Network {
	var all []*Network
	for i := range m.Networks {
		all = append(all, &m.Networks[i])
	}
	if m.Upscaler != nil {
		all = append(all, m.Upscaler)
	}
	return all
}

// Network returns the network or upscaler of that name, or nil.
func (m *Manifest) Network(name string) *Network {
	for _, n := range m.All() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Fingerprint tells networks apart: the SHA-256, in hexadecimal, of the network's
// config.json and of the SHA-256 of every shard that holds its tensors, in order.
func (m *Manifest) Fingerprint(n *Network) string {
	h := sha256.New()
	h.Write(n.Config)
	for _, i := range m.ShardsOf(n) {
		h.Write([]byte(m.Shards[i].SHA256))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ShardsOf lists the shards that hold tensors of the networks, their scales and
// their text encoders' among them, in order.
func (m *Manifest) ShardsOf(networks ...*Network) []int {
	used := map[int]bool{}
	use := func(tensors map[string]TensorRef) {
		for _, ref := range tensors {
			for _, p := range ref.Parts {
				used[p.Shard] = true
			}
			if ref.Scale != nil {
				used[ref.Scale.Shard] = true
			}
		}
	}
	for _, n := range networks {
		use(n.Tensors)
		if n.TextEncoder != nil {
			use(n.TextEncoder.Tensors)
		}
	}
	return slices.Sorted(maps.Keys(used))
}

// Unconditional returns the network of modality "none", or nil.
func (m *Manifest) Unconditional() *Network {
	for i := range m.Networks {
		if m.Networks[i].Modality == Unconditional {
			return &m.Networks[i]
		}
	}
	return nil
}

// Tensor returns the reference of a tensor of the network or its text encoder.
func (n *Network) Tensor(name string) (TensorRef, bool) {
	ref, ok := n.Tensors[name]
	if !ok && n.TextEncoder != nil {
		ref, ok = n.TextEncoder.Tensors[name]
	}
	return ref, ok
}
