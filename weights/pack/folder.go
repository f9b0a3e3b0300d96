package pack

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mcdm/mcdm/weights/bundle"
	"github.com/mcdm/mcdm/weights/safetensors"
	"github.com/mcdm/mcdm/weights/unet"
)

// facts is mcdm.json, which our trainer puts beside a network's config.json.
type facts struct {
	Modality          string          `json:"modality"`
	ConditionChannels int             `json:"condition_channels"`
	Labels            []string        `json:"labels,omitempty"`
	Grid              int             `json:"grid,omitempty"`
	ImageSize         int             `json:"image_size"`
	PixelUnshuffle    int             `json:"pixel_unshuffle"`
	Schedule          bundle.Schedule `json:"schedule"`
	PredictionType    string          `json:"prediction_type"`
	Training          json.RawMessage `json:"training,omitempty"`

	assumed string // of schedule and prediction type, where no file says
}

// ddpm is the schedule of Ho et al. 2020, diffusers' default.
var ddpm = bundle.Schedule{Name: "linear", T: 1000, BetaStart: 1e-4, BetaEnd: 0.02}

// readFacts reads mcdm.json. Without one the folder is any diffusers network: a
// UNet on plain pixels, of text where it cross-attends and else unconditional,
// with the schedule of scheduler_config.json beside it or in a pipeline's folder.
func readFacts(folder string, c *unet.Config) (facts, error) {
	f := facts{Modality: bundle.Unconditional, PixelUnshuffle: 1, Schedule: ddpm, PredictionType: "epsilon"}
	path := filepath.Join(folder, "mcdm.json")
	err := readJSON(path, &f)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if c.CrossAttentionDim > 0 {
		f.Modality = "text"
	}
	if c.SampleHeight == 0 || c.SampleHeight != c.SampleWidth {
		return f, fmt.Errorf("%s: sample_size is %dx%d and there is no mcdm.json: set a square sample_size", filepath.Join(folder, "config.json"), c.SampleHeight, c.SampleWidth)
	}
	f.ImageSize = c.SampleHeight
	scheduler := struct {
		BetaSchedule   *string         `json:"beta_schedule"`
		T              *int            `json:"num_train_timesteps"`
		BetaStart      *float64        `json:"beta_start"`
		BetaEnd        *float64        `json:"beta_end"`
		TrainedBetas   json.RawMessage `json:"trained_betas"`
		PredictionType *string         `json:"prediction_type"`
		ZeroSNR        bool            `json:"rescale_betas_zero_snr"`
		Class          string          `json:"_class_name"`
	}{BetaSchedule: &f.Schedule.Name, T: &f.Schedule.T, BetaStart: &f.Schedule.BetaStart, BetaEnd: &f.Schedule.BetaEnd, PredictionType: &f.PredictionType}
	f.Schedule.Name = ""
	path = filepath.Join(folder, "scheduler_config.json")
	if !exists(path) {
		path = filepath.Join(folder, "..", "scheduler", "scheduler_config.json") // a pipeline's, whose unet/ this is
	}
	switch err := readJSON(path, &scheduler); {
	case errors.Is(err, fs.ErrNotExist):
		f.Schedule.Name = ddpm.Name
		f.assumed = fmt.Sprintf("%s schedule, T = %d, beta %g to %g, %s", ddpm.Name, ddpm.T, ddpm.BetaStart, ddpm.BetaEnd, f.PredictionType)
	case err != nil:
		return f, err
	case f.Schedule.Name == "":
		return f, fmt.Errorf("%s: %s without beta_schedule is not supported: want a schedule of beta_start and beta_end", path, cmp.Or(scheduler.Class, "a scheduler"))
	}
	if scheduler.ZeroSNR {
		return f, fmt.Errorf("%s: rescale_betas_zero_snr is not supported: its last step has no signal to divide by", path)
	}
	if scheduler.TrainedBetas != nil && string(scheduler.TrainedBetas) != "null" {
		return f, fmt.Errorf("%s: trained_betas is not supported: want beta_start and beta_end", path)
	}
	return f, nil
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readConfig returns config.json with sorted keys and without the path of the
// machine that saved it.
func readConfig(folder string) (json.RawMessage, error) {
	path := filepath.Join(folder, "config.json")
	var config map[string]json.RawMessage
	if err := readJSON(path, &config); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: give the folder that save_pretrained of the UNet wrote", err)
		}
		return nil, err
	}
	delete(config, "_name_or_path")
	return json.Marshal(config)
}

// readWeights reads the folder's safetensors: one file, or those that an index
// names.
func readWeights(folder string, stems ...string) (safetensors.File, error) {
	for _, stem := range stems {
		path := filepath.Join(folder, stem+".safetensors")
		f, err := safetensors.ReadFile(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = readIndexed(folder, path+".index.json")
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	want := strings.Join(stems, ".safetensors or ") + ".safetensors"
	for _, stem := range stems {
		if bin := filepath.Join(folder, stem+".bin"); exists(bin) {
			return nil, fmt.Errorf("%s is a pickle, which can run code when read: save the network again with safe_serialization=True to get %s", bin, want)
		}
	}
	return nil, fmt.Errorf("%s has no %s", folder, want)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func readIndexed(folder, path string) (safetensors.File, error) {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := readJSON(path, &index); err != nil {
		return nil, err
	}
	files := map[string]safetensors.File{}
	all := safetensors.File{}
	for name, file := range index.WeightMap {
		if !filepath.IsLocal(file) {
			return nil, fmt.Errorf("%s: tensor %q lies in %q, outside the folder", path, name, file)
		}
		if files[file] == nil {
			f, err := safetensors.ReadFile(filepath.Join(folder, file))
			if err != nil {
				return nil, fmt.Errorf("%s: %v", path, err) // not "no such index"
			}
			files[file] = f
		}
		t, ok := files[file][name]
		if !ok {
			return nil, fmt.Errorf("%s: %s has no tensor %q", path, file, name)
		}
		all[name] = t
	}
	return all, nil
}
