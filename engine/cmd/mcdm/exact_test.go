package main

import (
	"bytes"
	"context"
	"math"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.SetArgs(args)
	c.SetOut(&out)
	err := c.ExecuteContext(context.Background())
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
		{"--obs", "NaN,1", "--obs NaN,1: want VALUE,SD"},
		{"--prior", "a,1", "--prior a,1: want MEAN,SD"},
		{"--samples", "0", "--samples 0: want 1 to"},
		{"--steps", "2000", "want 1 to 1000"},
		{"--sampler", "euler", `"euler" is not known`},
		{"--corrector", "-1", "want 0 to 100"},
	} {
		_, err := run(t, "exact", c.flag, c.value)
		assert.ErrorContains(t, err, c.want)
	}
}
