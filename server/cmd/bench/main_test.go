package main

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Slow readers that got no answer are not counted as such.
func TestSlowReadersAreAnswered(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	_, err = server{url: "http://" + listener.Addr().String() + "/"}.slow(t.Context(), "/x")
	assert.ErrorContains(t, err, "slow reader 1: ")
}

func TestCheck(t *testing.T) {
	assert.NoError(t, check(1, time.Second, 0, nil))
	assert.NoError(t, check(20, 5*time.Second, time.Hour, nil))
	for _, c := range []struct {
		rounds       int
		length, soak time.Duration
		rest         []string
		want         string
	}{
		{0, time.Second, 0, nil, "-rounds 0: want 1 to 20"},
		{21, time.Second, 0, nil, "-rounds 21: want 1 to 20"},
		{5, 1500 * time.Millisecond, 0, nil, "-round 1.5s: want 1s to 5s, whole seconds"},
		{5, 0, 0, nil, "-round 0s: want 1s to 5s"},
		{5, 6 * time.Second, 0, nil, "-round 6s: want 1s to 5s"},
		{5, time.Second, 2 * time.Hour, nil, "-soak 2h0m0s: want at most 1h"},
		{5, time.Second, -1, nil, "-soak -1ns: want at most 1h"},
		{5, time.Second, 0, []string{"rounds", "3"}, `["rounds" "3"] is no option`},
	} {
		assert.ErrorContains(t, check(c.rounds, c.length, c.soak, c.rest), c.want)
	}
	assert.Greater(t, longest(20, 5*time.Second, time.Hour), time.Hour+20*6*3*5*time.Second)
}
