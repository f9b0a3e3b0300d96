// Command offline makes one HTML file of the page, its program and a bundle. It
// opens by double click, needs nothing else and can talk to nobody: its policy
// allows its own scripts, by hash, and no connection at all.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"html"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mcdm/mcdm/weights/pack"
)

func main() {
	var list []string
	index := flag.String("index", "wasm/index.html", "the page")
	bundle := flag.String("bundle", "weights/bundles/avatars", "folder of the bundle")
	out := flag.String("out", "server/offline/mcdm.html", "file to write")
	flag.Func("file", "a file that the page refers to, repeatable", func(s string) error { list = append(list, s); return nil })
	flag.Parse()
	err := fmt.Errorf("%q is no option: see -help", flag.Args())
	if flag.NArg() == 0 {
		err = run(*index, list, *bundle, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "offline:", err)
		os.Exit(1)
	}
}

func run(index string, list []string, bundle, out string) error {
	page, err := build(index, list, bundle)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(out, page, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s, %.1f MB\n", out, float64(len(page))/1e6)
	return nil
}

var (
	icon       = regexp.MustCompile(`<link rel="icon" href="([^"]*)"`)
	installing = regexp.MustCompile(`\s*<link rel="manifest"[^>]*>`) // a file is not installed
	style      = regexp.MustCompile(`<link rel="stylesheet" href="([^"]*)">`)
	script     = regexp.MustCompile(`\s*<script src="([^"]*)" defer></script>`)
	reference  = regexp.MustCompile(`(?:src|href)="([^"#]*)"`)
)

// policy allows the given hashes. Pictures are shown from blobs and data.
const policy = "default-src 'none'; script-src %s 'wasm-unsafe-eval'; style-src %s; img-src blob: data:; " +
	"connect-src 'none'; base-uri 'none'; form-action 'none'"

// build puts everything into the page of an index file.
func build(index string, list []string, bundle string) ([]byte, error) {
	page, err := os.ReadFile(index)
	if err != nil {
		return nil, err
	}
	contents := map[string][]byte{}
	for _, path := range list {
		if contents[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	var failed error
	content := func(name string) []byte {
		data, ok := contents[name]
		if !ok && failed == nil {
			failed = fmt.Errorf("%s refers to %s, which no -file names", index, name)
		}
		return data
	}
	inline := func(kind, name string) (data []byte, hash string) {
		data = content(name)
		if lower := bytes.ToLower(data); failed == nil && (bytes.Contains(lower, []byte("</"+kind)) || bytes.Contains(lower, []byte("<!--"))) {
			failed = fmt.Errorf("%s cannot stand inside a page: it holds </%s or <!--", name, kind)
		}
		sum := sha256.Sum256(data)
		return data, "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}

	page = installing.ReplaceAll(page, nil)
	page = icon.ReplaceAllFunc(page, func(m []byte) []byte {
		data := content(string(icon.FindSubmatch(m)[1]))
		return []byte(`<link rel="icon" href="data:image/svg+xml;base64,` + base64.StdEncoding.EncodeToString(data) + `"`)
	})
	var styles, scripts, ends []string
	page = style.ReplaceAllFunc(page, func(m []byte) []byte {
		data, hash := inline("style", string(style.FindSubmatch(m)[1]))
		styles = append(styles, hash)
		return []byte("<style>" + string(data) + "</style>")
	})
	// Scripts that are deferred run in their order after the page: here they stand there,
	// before all that is large: so also a file that was cut off can tell.
	page = script.ReplaceAllFunc(page, func(m []byte) []byte {
		data, hash := inline("script", string(script.FindSubmatch(m)[1]))
		scripts = append(scripts, hash)
		ends = append(ends, "<script>"+string(data)+"</script>\n")
		return nil
	})
	if failed != nil {
		return nil, failed
	}
	for _, m := range reference.FindAllSubmatch(page, -1) {
		if !bytes.HasPrefix(m[1], []byte("data:")) {
			return nil, fmt.Errorf("%s still refers to %s, which a single file does not have", index, m[1])
		}
	}
	data, err := embedded(contents, bundle)
	if err != nil {
		return nil, err
	}
	meta := fmt.Sprintf("\n  <meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n  <meta name=\"mcdm-one-file\">",
		fmt.Sprintf(policy, strings.Join(scripts, " "), strings.Join(styles, " ")))
	page, err = after(page, `<meta charset="utf-8">`, meta)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", index, err)
	}
	page, err = before(page, "</body>", strings.Join(ends, "")+data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", index, err)
	}
	return page, nil
}

// embedded is the program and the bundle as elements that the page reads by
// their names (ui/dom/inside.go, wasm/boot.js). Browsers run no script of this
// type, so the policy need not allow it.
func embedded(contents map[string][]byte, bundle string) (string, error) {
	var b strings.Builder
	add := func(name string, data []byte) {
		fmt.Fprintf(&b, "<script type=\"application/gzip\" id=\"%s\">%s</script>\n", html.EscapeString(name), gzipped(data))
	}
	programs := 0
	for name, data := range contents {
		if filepath.Ext(name) == ".wasm" {
			add(name, data)
			programs++
		}
	}
	if programs != 1 {
		return "", fmt.Errorf("%d programs (.wasm) among the files: want one", programs)
	}
	files, err := pack.Read(os.DirFS(bundle))
	if err != nil {
		return "", fmt.Errorf("%s: %w", bundle, err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		add("bundle/"+name, files[name])
	}
	return b.String(), nil
}

// gzipped is gzip in base64. The same data give the same bytes.
func gzipped(data []byte) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write(data) // into memory
	w.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func after(page []byte, mark, text string) ([]byte, error) {
	head, tail, ok := strings.Cut(string(page), mark)
	if !ok {
		return nil, fmt.Errorf("no %s to put the policy after", mark)
	}
	return []byte(head + mark + text + tail), nil
}

func before(page []byte, mark, text string) ([]byte, error) {
	i := bytes.LastIndex(page, []byte(mark))
	if i < 0 {
		return nil, fmt.Errorf("no %s to put the program before", mark)
	}
	return []byte(string(page[:i]) + text + string(page[i:])), nil
}
