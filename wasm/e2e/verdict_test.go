package e2e

import (
	"fmt"
	"image"
	"image/draw"
	"math"
	"regexp"
	"strconv"
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
		Networks: map[string]recipe.Input{
			"sketch": {On: true, Weight: 1, End: 1}, "mask": {On: true, Weight: 1, End: .8},
			"colour": {On: true, Weight: 1, End: .7}, "text": {On: true, Weight: 2, End: .7},
		},
		Sketch: lines, Mask: mask.Mask, Labels: labelNames, Seed: 3, Sampler: recipe.Sampler{Name: "ddim", Steps: 10},
	})
	require.NoError(p.t, err)
	p.set("seed", "0")
	p.give("drop", "given.png", "image/png", file)
	require.Eventually(p.t, func() bool { return p.value("seed") == "3" }, time.Minute, 50*time.Millisecond, p.text("#notice-text"))
}

// Lines of long hair and painted short hair are at odds, and both cards say so;
// what belongs together is not. The history keeps it.
func TestOdds(t *testing.T) {
	p := studio(t, 1280, 1200, 12*time.Minute)
	list, err := examples.All()
	require.NoError(t, err)
	bySeed := map[int]examples.Example{}
	for _, e := range list {
		bySeed[e.Seed] = e
	}
	long, shaved := bySeed[9000015], bySeed[9000033]

	p.offer(long, long)
	p.generate()
	assert.False(t, p.visible("odds-sketch"), p.text("#odds-sketch"))
	assert.NotContains(t, p.text("#announce"), "At odds")

	p.offer(long, shaved)
	p.click("#generate")
	p.until("sampling", 20*time.Second)
	require.Eventually(t, func() bool { return p.visible("odds-mask") }, 3*time.Minute, 50*time.Millisecond, "no sign after a step")
	p.until("ready", 4*time.Minute)
	assert.Equal(t, "At odds with the parts: they pull opposite ways.", p.text("#odds-sketch"))
	assert.Equal(t, "At odds with the sketch: they pull opposite ways.", p.text("#odds-mask"))
	assert.False(t, p.visible("odds-text"))
	assert.Contains(t, p.text("#announce"), "At odds: the sketch and the parts.")
	p.screenshot("odds")
	r, err := readRecipe(p.saved())
	require.NoError(t, err)
	assert.Less(t, r.Verdict.Accord[0].Cosine, -.18)

	p.click("#strip button:nth-child(3)") // what was made first, behind a file
	assert.False(t, p.visible("odds-sketch"))
	p.run(chromedp.Reload())
	p.until("ready", 5*time.Minute)
	p.click("#strip button:nth-child(1)")
	assert.True(t, p.visible("odds-sketch"), "it outlives the page")
	p.quiet()
}

// Of several pictures the one that obeys best comes first, with words for every
// condition; scoring can be stopped, the board draws meanwhile, and the history
// keeps the scores.
func TestBestFirst(t *testing.T) {
	p := openAt(t, serve(t, small(t)), 1280, 1100, 14*time.Minute)
	p.until("ready", 5*time.Minute)
	p.set("steps", "1")
	p.set("seed", "3")
	p.set("count", "3")
	p.sample(3 * time.Minute)
	assert.False(t, p.visible("best"), "there is nothing to obey")
	p.draw(spot{.3, .3}, spot{.7, .3})
	p.click("#label-hair")
	p.draw(spot{.3, .6}, spot{.7, .6})
	p.click("#generate")
	p.until("sampling", 20*time.Second)
	assert.False(t, p.visible("best"), "they still form")
	p.run(chromedp.Focus("#grid button:nth-child(2)"))
	p.until("ready", 3*time.Minute)
	assert.Equal(t, "Seed 4", eval[string](p, "document.activeElement.title"), "the keys' place is lost")

	require.True(t, p.visible("best"))
	p.run(chromedp.Focus("#best"))
	p.click("#best")
	p.until("sampling", 10*time.Second)
	assert.Equal(t, "stop", eval[string](p, "document.activeElement.id"))
	p.click("#stop")
	p.until("ready", time.Minute)
	assert.Contains(t, p.text("#status"), "not scored")
	assert.False(t, p.visible("scores"))
	require.True(t, p.visible("best"), "it is offered again")

	from := eval[float64](p, "performance.now()")
	p.click("#best")
	p.until("sampling", 10*time.Second)
	p.click("#tool-pencil")
	p.draw(spot{.1, .1}, spot{.2, .1})
	assert.True(t, dark(p.seen(spot{.15, .1})), "while the pictures are scored, the board draws")
	assert.Equal(t, "sampling", p.state(), "they were scored before it was drawn")
	p.until("ready", 8*time.Minute)
	t.Logf("while scoring, the page did not answer for at most %.0f ms", p.blocked(from))
	p.screenshot("best-first")
	texts := func(selector string) []string {
		return eval[[]string](p, `Array.from(document.querySelectorAll(%q), e => Array.from(e.children.length ? e.children : [e], c => c.textContent).join("|"))`, selector)
	}
	assert.Equal(t, []string{"1st", "2nd", "3rd"}, texts("#grid .rank"))
	rows := texts("#scores tr")
	require.Len(t, rows, 4)
	assert.Equal(t, "Picture|Parts|Sketch", rows[0])
	// The weights are 1: what comes first has the largest sum of both, to the digit.
	row := regexp.MustCompile(`^(1st|2nd|3rd), seed (\d)\|(?:1st|2nd|3rd), ([+-]\d+)\|(?:1st|2nd|3rd), ([+-]\d+)$`)
	var seeds []string
	least := math.MaxInt
	for i, place := range []string{"1st", "2nd", "3rd"} {
		cells := row.FindStringSubmatch(rows[1+i])
		require.NotNil(t, cells, rows[1+i])
		require.Equal(t, place, cells[1])
		seeds = append(seeds, cells[2])
		parts, err := strconv.Atoi(cells[3])
		require.NoError(t, err)
		sketch, err := strconv.Atoi(cells[4])
		require.NoError(t, err)
		assert.LessOrEqual(t, parts+sketch-2, least, "four figures are rounded: %s", rows[1:])
		least = parts + sketch
		assert.Equal(t, "Seed "+cells[2], eval[string](p, `document.querySelectorAll("#grid button")[%d].title`, i))
	}
	assert.ElementsMatch(t, []string{"3", "4", "5"}, seeds)
	assert.False(t, p.visible("best"), "they are in order")
	p.click("#grid button")
	assert.Equal(t, rows[1:2], texts("#scores tbody tr"))
	r, err := readRecipe(p.saved())
	require.NoError(t, err)
	assert.Equal(t, []int{1, 3}, []int{r.Verdict.Scores.Rank, r.Verdict.Scores.Of})
	assert.Equal(t, seeds[0], fmt.Sprint(r.Seed))

	p.run(chromedp.Reload())
	p.until("ready", 5*time.Minute)
	place := -1
	for i := range 3 {
		p.click(fmt.Sprintf("#strip button:nth-child(%d)", 1+i))
		if texts("#scores tbody tr")[0] == rows[1] {
			place = i
		}
	}
	assert.NotEqual(t, -1, place, "the history keeps the scores")
	p.click("#strip button:nth-child(4)")
	assert.False(t, p.visible("scores"), "those without conditions have none")
	p.quiet()
}
