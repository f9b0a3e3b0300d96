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
	"github.com/mcdm/mcdm/weights/pack"
)

func main() {
	var p packer
	var list []string
	index := flag.String("index", "wasm/index.html", "the page; references to the other files are rewritten")
	bundle := flag.String("bundle", "weights/bundles/avatars", "folder of the bundle")
	flag.StringVar(&p.out, "out", "server/dist", "folder to fill; what was in it is removed")
	flag.StringVar(&p.cache, "cache", "server/.cache", "folder for compressed files, by hash")
	flag.BoolVar(&p.static, "static", false, "for a host that sends no headers of ours: the page states its policy itself, and nothing is compressed")
	flag.Func("file", "a file of the page, repeatable", func(s string) error { list = append(list, s); return nil })
	flag.Func("plain", "a file of the page that keeps its name, repeatable", func(s string) error { p.plain = append(p.plain, s); return nil })
	flag.Parse()
	err := fmt.Errorf("%q is no option: see -help", flag.Args())
	if flag.NArg() == 0 {
		err = p.run(*index, list, *bundle)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

type packer struct {
	out, cache string
	static     bool
	plain      []string
}

// file is one to write.
type file struct {
	name     string
	data     []byte
	compress bool
}

// run reads everything before it removes the old site. The page comes last: no
// server takes a folder without it.
func (p packer) run(index string, list []string, bundle string) error {
	files, err := p.read(index, list, bundle)
	if err != nil {
		return err
	}
	if err := p.empty(); err != nil {
		return err
	}
	for _, f := range files {
		if err := p.write(f); err != nil {
			return err
		}
	}
	return nil
}

func (p packer) read(index string, list []string, bundle string) ([]file, error) {
	page, err := os.ReadFile(index)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, path := range list {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		base := filepath.Base(path)
		name := hashedName(base, data)
		before := page
		for _, attribute := range []string{"src", "href", "content"} {
			page = bytes.ReplaceAll(page, fmt.Appendf(nil, `%s="%s"`, attribute, base), fmt.Appendf(nil, `%s="%s"`, attribute, name))
		}
		if bytes.Equal(before, page) {
			return nil, fmt.Errorf("%s does not refer to %s", index, base)
		}
		files = append(files, file{name, data, true})
	}
	for _, path := range p.plain {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files = append(files, file{filepath.Base(path), data, true})
	}
	shards, err := pack.Read(os.DirFS(bundle))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bundle, err)
	}
	for name, data := range shards { // which are noise to a compressor, but for the manifest
		files = append(files, file{"bundle/" + name, data, filepath.Ext(name) == ".json"})
	}
	if p.static {
		if page, err = stateless(page); err != nil {
			return nil, fmt.Errorf("%s: %w", index, err)
		}
	}
	return append(files, file{"index.html", page, true}), nil
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

func (p packer) write(f file) error {
	path := filepath.Join(p.out, filepath.FromSlash(f.name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, f.data, 0o644); err != nil || !f.compress || p.static {
		return err
	}
	for ext, encode := range map[string]func(io.Writer) io.WriteCloser{
		".br": func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, brotli.BestCompression) },
		".gz": func(w io.Writer) io.WriteCloser { z, _ := gzip.NewWriterLevel(w, gzip.BestCompression); return z },
	} {
		small, err := p.compressed(f.data, ext, encode)
		if err != nil {
			return err
		}
		if len(small) < len(f.data) {
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
