package golden

import (
	_ "embed"
	"encoding/json"
)

//go:embed upscale.json
var upscaleJSON []byte

// Upscaling is a picture that diffusers makes larger. The weights of its network
// are Weight's.
type Upscaling struct {
	Config json.RawMessage `json:"config"`
	Factor int             `json:"factor"`
	Steps  int             `json:"steps"`
	Seed   uint64          `json:"seed"`
	Small  []byte          `json:"small"` // [side, side, 3] RGB
	Large  []byte          `json:"large"` // [side*factor, side*factor, 3]
}

// LoadUpscaling reads the embedded file.
func LoadUpscaling() (u Upscaling, err error) {
	err = json.Unmarshal(upscaleJSON, &u)
	return u, err
}
