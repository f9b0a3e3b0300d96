package main

import (
	"bytes"
	"context"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/engine/sampler"
)

func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return runIn(context.Background(), args...)
}

func runIn(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	c := command()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.ExecuteContext(ctx)
	return out.String(), err
}

// The example of the README: three observations of .5 with deviation .2.
func TestExactPrintsTheExample(t *testing.T) {
	const n = 2000
	example := []string{"exact", "--prior", "0,0.5", "--obs", "0.5,0.2", "--obs", "0.5,0.2", "--obs", "0.5,0.2", "--samples", strconv.Itoa(n), "--seed", "1"}
	for _, c := range []struct {
		flags    []string
		mean, sd string
	}{
		{[]string{"--sampler", "ddpm", "--steps", "1000", "--corrector", "1"}, "0.4809", "0.1026"},
		{[]string{"--sampler", "ddim", "--steps", "50", "--spacing", "linspace"}, "0.5302", "0.0128"},
	} {
		out, err := run(t, append(example, c.flags...)...)
		require.NoError(t, err)
		assert.Regexp(t, `(?m)^exact +0\.4747 +0\.1125$`, out)
		assert.Regexp(t, `(?m)^recursion +`+c.mean+` +`+c.sd+`$`, out)
		m := regexp.MustCompile(`(?m)^sampled +(\S+) +(\S+) +\+-`).FindStringSubmatch(out)
		require.NotNil(t, m, out)
		number := func(s string) float64 {
			v, err := strconv.ParseFloat(s, 64)
			require.NoError(t, err)
			return v
		}
		sd := number(c.sd)
		assert.InDelta(t, number(c.mean), number(m[1]), 4*sd/math.Sqrt(n))
		assert.InDelta(t, sd, number(m[2]), 4*sd/math.Sqrt(2*n))
	}
}

// With one observation nothing is merged, and without any the prior is left.
func TestExactOfOneAndNone(t *testing.T) {
	out, err := run(t, "exact", "--obs", "0.5,0.2", "--steps", "20", "--samples", "5")
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^exact +0\.4310 +0\.1857$`, out)
	out, err = run(t, "exact", "--prior", "0.2,0.3", "--steps", "20", "--samples", "5")
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^exact +0\.2000 +0\.3000$`, out)
	assert.Contains(t, out, "networks 1, evaluations of each 20, samples 5")
}

func TestExactRefusals(t *testing.T) {
	for _, c := range []struct{ flag, value, want string }{
		{"--obs", "1", "--obs 1: want VALUE,SD"},
		{"--obs", "1,0", "--obs 1,0: want VALUE,SD"},
		{"--obs", "1,1,1", "--obs 1,1,1: want VALUE,SD"},
		{"--prior", "1,1,0", "--prior 1,1,0: want MEAN,SD or MEAN,SD,WEIGHT"},
		{"--prior", "1,1,1,1", "want MEAN,SD or MEAN,SD,WEIGHT"},
		{"--plot", "x.bmp", "--plot x.bmp: want a file name that ends in .svg or .png"},
		{"--plot=nowhere/x.svg", "--sampler=euler", "--plot nowhere/x.svg"}, // before anything is computed
		{"--obs", "NaN,1", "--obs NaN,1: want VALUE,SD"},
		{"--prior", "a,1", "--prior a,1: want MEAN,SD"},
		{"--samples", "0", "--samples 0: want 1 to"},
		{"--steps", "2000", "want 1 to 1000"},
		{"--sampler", "euler", `"euler" is not known`},
		{"--corrector", "-1", "want 0 to 100"},
		{"--metropolis", "--steps=5", "there are none: want at least 1"},
	} {
		printed, err := run(t, "exact", c.flag, c.value)
		assert.ErrorContains(t, err, c.want)
		assert.Empty(t, printed, "nothing is computed")
	}
}

// Two clusters: what is sampled from the prior alone is the prior; with
// observations the merge is off, and the gap says so.
func TestExactOfClusters(t *testing.T) {
	clusters := []string{"exact", "--prior=-0.5,0.1,3", "--prior", "0.5,0.2,1", "--steps", "200", "--samples", "2000", "--seed", "1"}
	gap := func(out string) float64 {
		m := regexp.MustCompile(`(?m)^gap +(\S+) `).FindStringSubmatch(out)
		require.NotNil(t, m, out)
		v, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		return v
	}
	out, err := run(t, clusters...)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^exact +-0\.2500 +0\.4528$`, out) // sd^2 = .75 (.25 + .01) + .25 (.25 + .04) - .25^2
	assert.NotContains(t, out, "recursion")
	assert.Less(t, gap(out), .06)
	out, err = run(t, append(clusters, "--obs", "0.4,0.5", "--obs", "0.4,0.5", "--obs", "0.4,0.5")...)
	require.NoError(t, err)
	assert.Greater(t, gap(out), .1)
}

func TestExactCompares(t *testing.T) {
	plot := filepath.Join(t.TempDir(), "all.svg")
	three := []string{"exact", "--obs", "0.5,0.2", "--obs", "0.5,0.2", "--obs", "0.5,0.2"}
	out, err := run(t, append(three, "--compare", "--plot", plot)...)
	require.NoError(t, err)
	assert.Contains(t, out, "exact: mean 0.4747, sd 0.1125")
	// DDIM ends at .5485, .0248 and DDPM at .4988, .0849, by the sampler's tests:
	// hypot(.5485 - .4747, .0248 - .1125) / .1125 and the same of the other.
	assert.Regexp(t, `(?m)^ +ddim( +\S+){5} +1\.02$`, out)
	assert.Regexp(t, `(?m)^ +ddpm( +\S+){5} +0\.33$`, out)
	data, err := os.ReadFile(plot)
	require.NoError(t, err)
	assert.Contains(t, string(data), "<svg")
	assert.Contains(t, string(data), "sde-dpmsolver++ + 1")

	picture := filepath.Join(t.TempDir(), "one.png")
	_, err = run(t, append(three, "--steps", "10", "--samples", "500", "--plot", picture)...)
	require.NoError(t, err)
	file, err := os.Open(picture)
	require.NoError(t, err)
	defer file.Close()
	_, err = png.Decode(file)
	require.NoError(t, err)
}

// What a budget pays for: all evaluations of the row lie within it.
func TestCompareKeepsBudgets(t *testing.T) {
	s, err := sampler.NewSchedule(1000, 1e-4, .02)
	require.NoError(t, err)
	rows, err := compareSamplers(s, sampler.Options{}, []sampler.Gaussian{{Mean: 0, Var: .25}}, []float64{1})
	require.NoError(t, err)
	require.Len(t, rows, 15)
	for _, r := range rows {
		for _, b := range budgets {
			require.LessOrEqual(t, r.at(b).evaluations, b, r.name)
			require.Greater(t, r.at(b).evaluations, b-4, r.name)
		}
	}
}

// However far an observation lies from the prior, it has a posterior; and each
// sample is accepted or rejected on its own, which --samples must leave room for.
func TestExactAtItsLimits(t *testing.T) {
	for _, obs := range [][]string{{"--obs", "30,0.2"}, {"--obs=-1.5,0.05", "--obs", "1.5,0.05"}} {
		out, err := run(t, append([]string{"exact", "--steps", "20", "--samples", "8"}, obs...)...)
		require.NoError(t, err)
		assert.NotContains(t, out, "NaN")
		out, err = run(t, append([]string{"exact", "--compare", "--spacing", "linspace"}, obs...)...)
		require.NoError(t, err)
		assert.NotContains(t, out, "NaN")
	}
	// Two that speak for opposite clusters leave both.
	out, err := run(t, "exact", "--prior=-0.5,0.05", "--prior", "0.5,0.05", "--obs", "5,0.05", "--obs=-5,0.05", "--steps", "5", "--samples", "4")
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^exact +-?0\.0000 +0\.1691$`, out) // clusters at +-1/6, each .05/sqrt(3) wide
	judged := []string{"exact", "--obs", "0.5,0.2", "--metropolis", "--corrector", "1", "--steps", "3"}
	_, err = run(t, append(judged, "--samples", "70000")...)
	assert.ErrorContains(t, err, "--samples 70000: with --metropolis at most 65535")
	_, err = run(t, append(judged, "--samples", "7")...)
	assert.NoError(t, err)
	_, err = run(t, "exact", "--sampler", "dpmsolver++", "--spacing", "linspace", "--steps", "1001")
	assert.ErrorContains(t, err, "1001 steps: dpmsolver++ with linspace spacing wants 1 to 999")
}
