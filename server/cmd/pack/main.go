// Command pack makes the folder that the server embeds: the page's files under
// names that carry their content's hash, compressed copies beside them, and a
// bundle. With -static it makes one for any other host.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/andybalholm/brotli"

	"github.com/mcdm/mcdm/server/site"
)

type files []string

func (f *files) String() string     { return strings.Join(*f, " ") }
func (f *files) Set(s string) error { *f = append(*f, s); return nil }

func main() {
	var list, plain files
	index := flag.String("index", "wasm/index.html", "the page; references to the other files are rewritten")
	bundle := flag.String("bundle", "weights/bundles/avatars", "folder of the bundle")
	out := flag.String("out", "server/dist", "folder to fill; what was in it is removed")
	cache := flag.String("cache", "server/.cache", "folder for compressed files, by hash")
	static := flag.Bool("static", false, "for a host that sends no headers of ours: the page states its policy itself, and nothing is compressed")
	flag.Var(&list, "file", "a file of the page, repeatable")
	flag.Var(&plain, "plain", "a file of the page that keeps its name, repeatable")
	flag.Parse()
	p := packer{out: *out, cache: *cache, static: *static, plain: plain}
	if err := p.run(*index, list, *bundle); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

type packer struct {
	out, cache string
	static     bool
	plain      []string
}

func (p packer) run(index string, list []string, bundle string) error {
	if err := p.empty(); err != nil {
		return err
	}
	page, err := os.ReadFile(index)
	if err != nil {
		return err
	}
	for _, path := range list {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		base := filepath.Base(path)
		name := hashedName(base, data)
		before := page
		for _, attribute := range []string{"src", "href", "content"} {
			page = bytes.ReplaceAll(page, fmt.Appendf(nil, `%s="%s"`, attribute, base), fmt.Appendf(nil, `%s="%s"`, attribute, name))
		}
		if bytes.Equal(before, page) {
			return fmt.Errorf("%s does not refer to %s", index, base)
		}
		if err := p.write(name, data, true); err != nil {
			return err
		}
	}
	for _, path := range p.plain {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := p.write(filepath.Base(path), data, true); err != nil {
			return err
		}
	}
	if p.static {
		if page, err = stateless(page); err != nil {
			return fmt.Errorf("%s: %w", index, err)
		}
	}
	if err := p.write("index.html", page, true); err != nil {
		return err
	}
	return p.bundle(bundle)
}

var elsewhere = regexp.MustCompile(`(?:src|href)="(?:/|[a-z]+:)[^"]*"`)

// stateless makes a page that needs nothing of its host but its files, in
// whatever folder they lie: its addresses are relative, and its policy comes
// before all that it applies to.
func stateless(page []byte) ([]byte, error) {
	if address := elsewhere.Find(page); address != nil {
		return nil, fmt.Errorf("%s is not relative: the page would break in a folder of a host", address)
	}
	const first = `<meta charset="utf-8">`
	before, after, ok := bytes.Cut(page, []byte(first))
	if !ok {
		return nil, fmt.Errorf("no %s to put the policy after", first)
	}
	return fmt.Appendf(nil, "%s%s\n  <meta http-equiv=\"Content-Security-Policy\" content=\"%s\">%s", before, first, site.MetaPolicy, after), nil
}

// empty removes what an earlier run wrote.
func (p packer) empty() error {
	entries, err := os.ReadDir(p.out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() != ".keep" {
			if err := os.RemoveAll(filepath.Join(p.out, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.MkdirAll(p.cache, 0o755)
}

// hashedName puts the content's hash before the ending: main.HASH.wasm.
func hashedName(base string, data []byte) string {
	sum := sha256.Sum256(data)
	ext := filepath.Ext(base)
	return strings.TrimSuffix(base, ext) + "." + hex.EncodeToString(sum[:8]) + ext
}

func (p packer) bundle(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		// Shards are noise to a compressor.
		if err := p.write("bundle/"+e.Name(), data, filepath.Ext(e.Name()) == ".json"); err != nil {
			return err
		}
	}
	return nil
}

func (p packer) write(name string, data []byte, compress bool) error {
	path := filepath.Join(p.out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil || !compress || p.static {
		return err
	}
	for ext, encode := range map[string]func(io.Writer) io.WriteCloser{
		".br": func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, brotli.BestCompression) },
		".gz": func(w io.Writer) io.WriteCloser { z, _ := gzip.NewWriterLevel(w, gzip.BestCompression); return z },
	} {
		small, err := p.compressed(data, ext, encode)
		if err != nil {
			return err
		}
		if len(small) < len(data) {
			if err := os.WriteFile(path+ext, small, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// compressed is slow for megabytes, so it is done once for every content.
func (p packer) compressed(data []byte, ext string, encode func(io.Writer) io.WriteCloser) ([]byte, error) {
	sum := sha256.Sum256(data)
	path := filepath.Join(p.cache, hex.EncodeToString(sum[:])+ext)
	if old, err := os.ReadFile(path); err == nil {
		return old, nil
	}
	var b bytes.Buffer
	w := encode(&b)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	temp := path + ".part"
	if err := os.WriteFile(temp, b.Bytes(), 0o644); err != nil {
		return nil, err
	}
	return b.Bytes(), os.Rename(temp, path)
}
