//go:build !js

package gpu

import (
	"os"
	"path/filepath"
)

// Recall returns what Remember kept under a name, nil where there is nothing.
func (d *Device) Recall(name string) []byte {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(dir, "mcdm", name))
	if err != nil {
		return nil
	}
	return data
}

// Remember keeps a few bytes for later runs, in the user's cache folder. Where
// that does not work they are found out again: no error.
func (d *Device) Remember(name string, data []byte) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return
	}
	dir = filepath.Join(dir, "mcdm")
	if os.MkdirAll(dir, 0o755) == nil {
		_ = os.WriteFile(filepath.Join(dir, name), data, 0o644)
	}
}
