package pack

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/mcdm/mcdm/weights/bundle"
)

// own matches what Write makes, shards and what it leaves of a file when it is
// killed, so that it never deletes anything else.
var own = regexp.MustCompile(`^(` + shardName + `|\.(manifest\.json|` + shardName + `)\.[0-9]+)$`)

const shardName = `[a-z0-9_-]+-[0-9]+-[0-9a-f]{16}\.safetensors`

// Read reads the files of a bundle, and checks their hashes. Whatever else lies in
// its folder is left out.
func Read(folder fs.FS) (Files, error) {
	b, err := bundle.Open(folder)
	if err != nil {
		return nil, err
	}
	files := Files{}
	if files[bundle.ManifestName], err = fs.ReadFile(folder, bundle.ManifestName); err != nil {
		return nil, err
	}
	for i, s := range b.Shards() {
		if files[s.Name], err = b.Read(i); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Write puts the bundle into folder dir, which it makes if need be. A bundle
// that lies there stays whole until the new one is complete: shards have their
// hash in their name and never change, and the manifest is replaced last, by a
// rename. Only then are shards removed that the new manifest does not name, and
// what a killed Write has left; other files in dir stay.
func Write(dir string, files Files) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if name != bundle.ManifestName {
			if err := writeFile(dir, name, files[name]); err != nil {
				return err
			}
		}
	}
	if err := writeFile(dir, bundle.ManifestName, files[bundle.ManifestName]); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, now := files[e.Name()]; !now && e.Type().IsRegular() && own.MatchString(e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// writeFile writes beside the name and renames, so that no reader ever sees a
// part of a file.
func writeFile(dir, name string, data []byte) (err error) {
	f, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("writing %s: %w", filepath.Join(dir, name), err)
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}
