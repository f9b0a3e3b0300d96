package e2e

import (
	"image"
	"image/draw"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/ui/recipe"
	"github.com/mcdm/mcdm/weights/dataset/examples"
)

// offer drops a recipe with a sketch and a mask of the examples on the page.
func (p *page) offer(sketch, mask examples.Example) {
	p.t.Helper()
	lines := image.NewGray(sketch.Sketch.Bounds())
	draw.Draw(lines, lines.Rect, sketch.Sketch, lines.Rect.Min, draw.Src)
	file, err := recipe.Write(lines, recipe.Recipe{
		Networks: map[string]recipe.Input{"sketch": {On: true, Weight: 1, End: 1}, "mask": {On: true, Weight: 1, End: .85}},
		Sketch:   lines, Mask: mask.Mask, Labels: labelNames, Seed: 3, Sampler: recipe.Sampler{Name: "ddim", Steps: 2},
	})
	require.NoError(p.t, err)
	p.set("seed", "0")
	p.give("drop", "given.png", "image/png", file)
	require.Eventually(p.t, func() bool { return p.value("seed") == "3" }, 10*time.Second, 50*time.Millisecond, p.text("#notice-text"))
}

// Lines of long hair and painted short hair are at odds, and both cards say so;
// what belongs together is not. Of two pictures the one that obeys better comes
// first, and the history keeps what was said.
func TestVerdict(t *testing.T) {
	p := open(t, 1280, 1200, 14*time.Minute)
	p.until("ready", 3*time.Minute)
	list, err := examples.All()
	require.NoError(t, err)
	bySeed := map[int]examples.Example{}
	for _, e := range list {
		bySeed[e.Seed] = e
	}
	long, shaved := bySeed[9000015], bySeed[9000033]
	shown := func(id string) bool { return eval[bool](p, `document.getElementById(%q).checkVisibility()`, id) }

	p.offer(long, long)
	p.generate()
	assert.False(t, shown("odds-sketch"), p.text("#odds-sketch"))
	assert.NotContains(t, p.text("#announce"), "At odds")

	p.offer(long, shaved)
	p.set("count", "2")
	p.click("#generate")
	p.until("sampling", 20*time.Second)
	require.Eventually(t, func() bool { return shown("odds-mask") }, 3*time.Minute, 50*time.Millisecond, "no sign after a step")
	p.until("ready", 4*time.Minute)
	assert.Equal(t, "At odds with the parts: they pull opposite ways.", p.text("#odds-sketch"))
	assert.Equal(t, "At odds with the sketch: they pull opposite ways.", p.text("#odds-mask"))
	assert.False(t, shown("odds-text"))
	assert.Contains(t, p.text("#announce"), "At odds: the sketch and the parts.")
	p.screenshot("odds")

	// Scoring can be stopped, and goes on being offered.
	require.True(t, shown("best"))
	p.run(chromedp.Focus("#best"))
	p.click("#best")
	p.until("sampling", 10*time.Second)
	require.Eventually(t, func() bool { return strings.HasPrefix(p.text("#status"), "Scoring the pictures: ") }, 4*time.Minute, 50*time.Millisecond)
	assert.Equal(t, "stop", eval[string](p, "document.activeElement.id"))
	p.click("#stop")
	p.until("ready", time.Minute)
	assert.Contains(t, p.text("#status"), "not scored")
	assert.False(t, shown("scores"))

	from := eval[float64](p, "performance.now()")
	p.click("#best")
	p.until("sampling", 10*time.Second)
	p.draw(spot{.1, .1}, spot{.2, .1})
	assert.True(t, dark(p.seen(spot{.15, .1})), "while the pictures are scored, the board draws")
	p.until("ready", 6*time.Minute)
	t.Logf("while scoring, the page did not answer for at most %.0f ms", p.blocked(from))
	p.screenshot("best-first")
	assert.Equal(t, []string{"1st", "2nd"}, eval[[]string](p, `Array.from(document.querySelectorAll("#grid .rank"), e => e.textContent)`))
	rows := eval[[]string](p, `Array.from(document.querySelectorAll("#scores tr"), e => Array.from(e.children, c => c.textContent).join("|"))`)
	require.Len(t, rows, 3)
	assert.Equal(t, "Picture|Parts|Sketch", rows[0])
	assert.Regexp(t, `^1st, seed [34]\|(1st|2nd), [+-]\d+\|(1st|2nd), [+-]\d+$`, rows[1])
	assert.Regexp(t, `^2nd, seed [34]\|`, rows[2])
	assert.False(t, shown("best"), "they are in order")
	p.click("#grid button")
	r, err := readRecipe(p.saved())
	require.NoError(t, err)
	assert.Equal(t, 1, r.Verdict.Scores.Rank)
	assert.Less(t, r.Verdict.Accord[0].Cosine, -.1)

	// After a reload the history has it all.
	p.run(chromedp.Reload())
	p.until("ready", 3*time.Minute)
	p.click("#strip button:nth-child(4)") // before the pair and the file
	assert.False(t, shown("odds-sketch"))
	assert.False(t, shown("scores"))
	p.click("#strip button:nth-child(1)")
	assert.True(t, shown("odds-sketch"))
	assert.Len(t, eval[[]string](p, `Array.from(document.querySelectorAll("#scores tbody th"), e => e.textContent)`), 1)
	p.screenshot("verdict-restored")
	p.quiet()
}
