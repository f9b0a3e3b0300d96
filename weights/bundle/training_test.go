package bundle

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRuns(t *testing.T) {
	a, b, c := Run{"a", 3, "CC0"}, Run{"b", 20, ""}, Run{"c", 100, "theirs"}
	for name, x := range map[string]struct {
		training string
		want     []Run
	}{
		"alone":    {`{"dataset": "a", "pictures_seen": 3, "terms": "CC0", "seeds": [[1, 9]]}`, []Run{a}},
		"listed":   {`{"dataset": "a", "pictures_seen": 3, "terms": "CC0", "started_from": [{"dataset": "b", "pictures_seen": 20}, {"dataset": "c", "pictures_seen": 100, "terms": "theirs"}]}`, []Run{a, b, c}},
		"one":      {`{"dataset": "a", "pictures_seen": 3, "terms": "CC0", "started_from": {"dataset": "b", "pictures_seen": 20}}`, []Run{a, b}},
		"nested":   {`{"dataset": "a", "pictures_seen": 3, "terms": "CC0", "started_from": {"dataset": "b", "pictures_seen": 20, "started_from": {"dataset": "c", "pictures_seen": 100, "terms": "theirs"}}}`, []Run{a, b, c}},
		"words":    {`"unknown"`, nil},
		"nothing":  {``, nil},
		"no ints":  {`{"pictures_seen": "many"}`, nil},
		"no lists": {`{"dataset": "a", "pictures_seen": 3, "terms": "CC0", "started_from": [1]}`, []Run{a}},
	} {
		n := Network{Training: []byte(x.training)}
		assert.Equal(t, x.want, n.Runs(), name)
	}
}
