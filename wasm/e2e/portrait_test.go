package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/dataset/examples"
)

// TestPortrait takes the README's picture of the page ("make screenshots"): lines and
// parts of a held-out portrait, dabs of colour, a sentence, and what comes of them.
func TestPortrait(t *testing.T) {
	if os.Getenv("SCREENSHOTS") == "" {
		t.Skip(`only "make screenshots" needs it`)
	}
	p := open(t, 1280, 1000, 10*time.Minute)
	p.until("ready", 3*time.Minute)
	list, err := examples.All()
	require.NoError(t, err)
	for _, e := range list {
		if e.Seed == 9000015 {
			p.offer(e, e)
		}
	}
	for _, id := range []string{"#notice-close", "#delete", "#tool-dab"} {
		p.click(id)
	}
	p.set("colour", "#8fd0b4")
	p.draw(spot{.06, .06}, spot{.94, .06})
	p.draw(spot{.06, .06}, spot{.06, .3})
	p.draw(spot{.94, .06}, spot{.94, .3})
	p.set("colour", "#b5301f")
	p.draw(spot{.3, .2}, spot{.6, .2})
	p.draw(spot{.2, .4}, spot{.16, .85})
	p.draw(spot{.85, .5}, spot{.88, .75})
	p.run(chromedp.SendKeys("#prompt", "a portrait with long red hair and light skin"))
	p.set("steps", "24")
	p.set("seed", "2")
	p.generate()
	p.click("#enlarge")
	require.Eventually(t, func() bool { return p.side("#picture") == 256 }, 2*time.Minute, 50*time.Millisecond)
	p.until("ready", 10*time.Second)
	eval[bool](p, "(scrollTo(0, 0), true)")
	p.screenshot("portrait")
}
