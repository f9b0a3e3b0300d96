// Command experiments samples what the experiments compare: held-out portraits'
// conditions, by every column of their tables. It makes raw pictures only;
// measure.py and report.py, beside it, judge them.
//
// It may be stopped and started again at any time: what is there is not made
// again, unless a network, the portraits or a setting has changed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/engine/gpu"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "experiments:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var (
		r                      run
		size, bestFile         string
		only                   []string
		adapter                string
		minutes                float64
		merged, early, fl, jnt string
	)
	c := &cobra.Command{
		Use:           "experiments",
		Short:         "Sample what the experiments compare; may be stopped and started again",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			s, ok := scales[size]
			if !ok {
				return fmt.Errorf("--size %s: want full or tiny", size)
			}
			for _, group := range only {
				if !slices.Contains(groups, group) {
					return fmt.Errorf("--only %s: want some of %s", group, strings.Join(groups, ", "))
				}
			}
			if r.found, err = readBest(bestFile); err != nil {
				return err
			}
			if r.portraits, err = readPortraits(r.data); err != nil {
				return err
			}
			r.bundles = map[string]string{"merged": merged, "early": early, "float": fl, "joint": jnt}
			r.options, r.log = gpu.Options{Adapter: adapter}, cmd.ErrOrStderr()
			ctx := cmd.Context()
			if minutes > 0 {
				var cancel func()
				ctx, cancel = context.WithTimeout(ctx, time.Duration(minutes*float64(time.Minute)))
				defer cancel()
			}
			err = r.all(ctx, plan(s, r.found), only)
			if errors.Is(err, context.DeadlineExceeded) {
				fmt.Fprintln(r.log, "the time is up; the same command goes on from here")
				return nil
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&r.data, "data", "weights/dataset/out/test", "folder of the held-out portraits")
	f.StringVar(&r.out, "out", "weights/experiments/cache/full", "folder of the pictures")
	f.StringVar(&merged, "bundle", "weights/bundles/avatars", "the networks that are merged")
	f.StringVar(&early, "early", "weights/experiments/cache/early", "networks with no more training than the joint one, where they are there")
	f.StringVar(&fl, "float", "weights/experiments/cache/float", "the same in f32, where it is there")
	f.StringVar(&jnt, "joint", "weights/experiments/cache/joint", "the joint network, where it is there")
	f.StringVar(&bestFile, "best", "weights/experiments/cache/best-full.json", "the weights that the search found, where it is there")
	f.StringVar(&size, "size", "full", "full (hours) or tiny (minutes)")
	f.StringSliceVar(&only, "only", nil, "groups to sample (default: all): "+strings.Join(groups, ", "))
	f.Float64Var(&minutes, "minutes", 0, "stop after that long (default: when everything is there)")
	f.StringVar(&adapter, "adapter", "", "a part of the graphics adapter's name")
	return c
}

// readBest gives nil where nothing was found yet.
func readBest(path string) (*best, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b := new(best)
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// writeFile replaces a file by a whole one.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".part", data, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}
