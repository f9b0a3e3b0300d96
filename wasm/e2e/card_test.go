package e2e

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An adapter that says it is a graphics card, as far as a page can see.
const card = `for (const name of ["vendor", "architecture", "device", "description"])
	Object.defineProperty(GPUAdapterInfo.prototype, name, {get: () => name === "vendor" ? "test" : ""});
Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", {get: () => false});`

// On a graphics card forms of kernels are timed, once and for all visits, the page
// begins with more steps, and a step is prepared while the one before is under way:
// the picture is the same.
func TestOnAGraphicsCard(t *testing.T) {
	t.Parallel()
	files := small(t)
	p := openAt(t, serve(t, files), 1280, 1000, 3*time.Minute)
	p.reach("ready", time.Minute)
	p.set("seed", "5")
	p.set("steps", "6")
	usual := p.generate()

	p = openAt(t, serve(t, files), 1280, 1000, 8*time.Minute)
	p.before(card)
	p.reach("ready", time.Minute)
	assert.Equal(t, "50", p.value("steps"))
	assert.Equal(t, "test", p.text("#device"))
	const tuned = `Object.entries(localStorage).filter(([k]) => k.startsWith("mcdm tuning-")).map(([, v]) => v)`
	p.set("seed", "5")
	p.set("steps", "6")
	here := p.generate()
	assert.LessOrEqual(t, distance(usual, here), 1., "other forms add up in another order, no more")
	once := eval[[]string](p, tuned)
	require.Len(t, once, 1)
	p.run(chromedp.Reload())
	p.reach("ready", time.Minute)
	p.set("seed", "5")
	p.set("steps", "6")
	again := p.generate()
	assert.Equal(t, here.Pix, again.Pix)
	assert.Equal(t, once, eval[[]string](p, tuned), "nothing is timed again")
}
