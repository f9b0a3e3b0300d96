//go:build js

package studio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mcdm/mcdm/ui/dom"
	"github.com/mcdm/mcdm/ui/shards"
	"github.com/mcdm/mcdm/weights/bundle"
)

const (
	folder       = "bundle/"      // seen from the page
	weightsCache = "mcdm-weights" // shards only; the rest of the page is in another (install.go)
)

// fetch brings all shards to use and shows how far it is.
func (s *Studio) fetch(ctx context.Context, progress func(done, total int, text string), use shards.Use) error {
	all := s.bundle.Shards
	if s.shards == nil {
		var store shards.Store
		ask := askServer
		if dom.OneFile() {
			ask, store = askFile, inFile{}
		} else if cache, err := dom.OpenCache(weightsCache, folder); err == nil {
			store = cache
		}
		s.shards = shards.New(all, ask, store)
	}
	total := 0
	for _, h := range all {
		total += h.Size
	}
	return s.shards.Load(ctx, use, func(got int) {
		progress(got, total, fmt.Sprintf("Loading the networks: %.1f of %.1f MB", float64(got)/1e6, float64(total)/1e6))
	})
}

// tidy sees that the browser keeps the shards of this bundle and no others, and
// says what it did not take: the page works, but loads them again next time.
func (s *Studio) tidy() {
	err := s.shards.Tidy()
	var unkept *shards.Error
	if s.unkept = errors.As(err, &unkept); s.unkept {
		s.Alarm(fmt.Sprintf("All works, but the networks will be loaded again at the next visit: %s: %s. %s Then try again.",
			unkept.File, unkept.What, unkept.Do))
	}
}

func askServer(ctx context.Context, name string, header map[string]string) (*shards.Answer, error) {
	cache := "no-store" // shards have a cache of their own
	if name == bundle.ManifestName {
		cache = "no-cache"
	}
	r, err := dom.Ask(ctx, folder+name, header, cache)
	if err != nil {
		return nil, err
	}
	return &shards.Answer{Status: r.Status(), Redirected: r.Redirected(), Header: r.Header, Body: r}, nil
}

// inFile is the store of a page of one file, which holds the shards in itself.
type inFile struct{}

func (inFile) Get(name string) ([]byte, error) { return dom.Inside(context.Background(), folder+name) }
func (inFile) Put(string, []byte) error        { return nil }
func (inFile) Delete(string) error             { return nil }
func (inFile) Names() ([]string, error)        { return nil, nil }

// askFile is asked, in a page of one file, for the manifest, and for shards that are
// damaged or missing.
func askFile(ctx context.Context, name string, _ map[string]string) (*shards.Answer, error) {
	torn := &shards.Error{What: "it is damaged in this file", Do: "Save the file again."}
	if name != bundle.ManifestName {
		return nil, torn
	}
	data, err := dom.Inside(ctx, folder+name)
	if err != nil {
		return nil, torn
	}
	return &shards.Answer{Status: 200, Header: func(string) string { return "" }, Body: io.NopCloser(bytes.NewReader(data))}, nil
}
