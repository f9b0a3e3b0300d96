package engine

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Imports point one way: wasm, ui, engine, shaders. What reads files of networks
// imports none of these. Tests, and commands, which nobody can import, do as they
// like.
func TestImportsPointOneWay(t *testing.T) {
	layers := []string{"shaders", "engine", "ui", "wasm"} // each imports those before it
	readers := []string{
		"weights/bundle", "weights/dataset/examples", "weights/internal", "weights/safetensors", "weights/textencoder",
		"weights/tokenizer", "weights/unet",
	}
	allowed := map[string][]string{}
	for i, layer := range layers {
		allowed[layer] = slices.Concat(layers[:i+1], readers)
	}
	for _, reader := range readers {
		allowed[reader] = readers
	}
	for folder, may := range allowed {
		seen := 0
		require.NoError(t, filepath.WalkDir("../"+folder, func(name string, _ fs.DirEntry, err error) error {
			if err != nil || strings.Contains(name, "/cmd/") || strings.HasSuffix(name, "_test.go") || !strings.HasSuffix(name, ".go") {
				return err
			}
			seen++
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, i := range file.Imports {
				imported, _ := strconv.Unquote(i.Path.Value)
				if imported, ours := strings.CutPrefix(imported, "github.com/mcdm/mcdm/"); ours {
					assert.True(t, slices.ContainsFunc(may, func(f string) bool { return strings.HasPrefix(imported+"/", f+"/") }), "%s imports %s", name, imported)
				}
			}
			return nil
		}))
		assert.Positive(t, seen, folder)
	}
}
