package pack

import (
	"fmt"
	"math"

	"github.com/mcdm/mcdm/weights/bundle"
)

// palette gives the parts of a portrait colours that one recognises them by and
// that differ in lightness too.
var palette = map[string]string{
	"background":  "#7fb2d9",
	"skin":        "#f2c9a1",
	"hair":        "#6b4226",
	"brows":       "#3b2a1e",
	"eyes":        "#2f7d5b",
	"nose":        "#d98f6c",
	"mouth":       "#c2374b",
	"glasses":     "#1d2f6f",
	"beard":       "#9a6a3c",
	"earrings":    "#e8c33c",
	"accessories": "#8e5bb5",
}

// labels gives every name a colour: that of the palette, or one of its own by
// turning the hue by the golden angle, which keeps neighbours apart.
func labels(names []string) []bundle.Label {
	var l []bundle.Label
	for i, name := range names {
		color, ok := palette[name]
		if !ok {
			color = hue(math.Mod(float64(i)*137.508, 360))
		}
		l = append(l, bundle.Label{Name: name, Color: color})
	}
	return l
}

// hue is HSV (h degrees, 0.6, 0.85) as #rrggbb.
func hue(h float64) string {
	channel := func(n float64) int {
		k := math.Mod(n+h/60, 6)
		return int(math.Round(255 * .85 * (1 - .6*max(0, min(k, 4-k, 1)))))
	}
	return fmt.Sprintf("#%02x%02x%02x", channel(5), channel(3), channel(1))
}
