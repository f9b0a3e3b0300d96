package pack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/weights/bundle"
)

// shardsOf are the names of a network's shards.
func shardsOf(t testing.TB, files Files, network string) (names []string) {
	t.Helper()
	m := manifest(t, files)
	n := m.Network(network)
	require.NotNil(t, n, network)
	for _, i := range m.ShardsOf(n) {
		names = append(names, m.Shards[i].Name)
	}
	return names
}

// keeping is larger's bundle with its own terms, and options that keep all of it.
func keeping(t testing.TB, megabytes float64) (Files, Options) {
	t.Helper()
	o := larger(t)
	o.Terms, o.Megabytes = "ours", megabytes
	files, _, err := Import(o)
	require.NoError(t, err)
	b, err := bundle.Open(mapFS(files))
	require.NoError(t, err)
	return files, Options{Name: "more", DType: "int8", Keep: b}
}

// One network more, or another in a network's place: the bytes of all others stay.
func TestKeep(t *testing.T) {
	for _, megabytes := range []float64{0, .9} {
		files, o := keeping(t, megabytes)
		depth, sketch := filepath.Join(t.TempDir(), "depth"), filepath.Join(t.TempDir(), "sketch")
		facts := mcdm("depth", 4)
		facts["training"] = object{"terms": "theirs"}
		save(t, depth, 11, plain(4), facts)
		save(t, sketch, 12, plain(4), mcdm("sketch", 4))
		o.Networks = []Source{{"depth", depth}, {"sketch", sketch}}
		if megabytes > 0 {
			o.Megabytes = megabytes + .15
		}
		more, reports, err := Import(o)
		require.NoError(t, err)
		require.NoError(t, Verify(mapFS(more)))
		if megabytes > 0 {
			require.LessOrEqual(t, more.Size(), int(1e6*o.Megabytes))
		}
		m := manifest(t, more)
		var names []string
		for _, n := range m.All() {
			names = append(names, n.Name)
		}
		require.Equal(t, []string{"none", "text", "sketch", "mask", "colour", "depth", "upscale"}, names)
		require.Equal(t, "ours; theirs; CC0-1.0", m.Terms)
		require.Equal(t, "made up", m.DataCard)
		for _, r := range reports {
			imported := slices.Contains([]string{"depth", "sketch"}, r.Network)
			require.Equal(t, !imported, r.Kept, r.Network)
			require.Equal(t, imported, len(r.Losses) > 0, r.Network)
			require.Positive(t, r.Parameters)
			if imported {
				continue
			}
			shards := shardsOf(t, more, r.Network)
			require.Equal(t, shardsOf(t, files, r.Network), shards)
			for _, name := range shards {
				require.Equal(t, files[name], more[name])
			}
		}
		require.NotEqual(t, shardsOf(t, files, "sketch"), shardsOf(t, more, "sketch"))
		b, err := bundle.Open(mapFS(more))
		require.NoError(t, err)
		checkValues(t, b, m.Network("depth"), depth, "int8")
		checkValues(t, b, m.Network("sketch"), sketch, "int8")
	}
}

func TestKeepUpscaler(t *testing.T) {
	files, o := keeping(t, 0)
	folder := filepath.Join(t.TempDir(), "upscale")
	save(t, folder, 13, plain(3), upscaling())
	o.Upscaler, o.Terms, o.DataCard = &Source{"upscale", folder}, "new", "newer"
	more, _, err := Import(o)
	require.NoError(t, err)
	m := manifest(t, more)
	require.Equal(t, "new", m.Terms)
	require.Equal(t, "newer", m.DataCard)
	require.Equal(t, shardsOf(t, files, "text"), shardsOf(t, more, "text"))
	require.NotEqual(t, shardsOf(t, files, "upscale"), shardsOf(t, more, "upscale"))
	require.Len(t, m.Networks, 5)
}

// Where no network is kept, the bundle is of the imported ones' diffusion.
func TestKeepNothing(t *testing.T) {
	_, o := keeping(t, 0)
	folders := map[string]string{}
	for _, n := range five(t).Networks {
		folders[n.Name] = n.Folder
	}
	for _, name := range []string{"none", "sketch", "mask", "colour", "text"} {
		data, err := os.ReadFile(filepath.Join(folders[name], "mcdm.json"))
		require.NoError(t, err)
		var facts object
		require.NoError(t, json.Unmarshal(data, &facts))
		facts["prediction_type"] = "v_prediction"
		putJSON(t, folders[name], "mcdm.json", facts)
		o.Networks = append(o.Networks, Source{name, folders[name]})
	}
	more, reports, err := Import(o)
	require.NoError(t, err)
	require.NoError(t, Verify(mapFS(more)))
	require.Equal(t, "v_prediction", manifest(t, more).Diffusion.PredictionType)
	require.True(t, reports[len(reports)-1].Kept, "the upscaler")
}

// A network is imported again and again: its licence is noted once.
func TestKeepTerms(t *testing.T) {
	_, o := keeping(t, 0)
	folder := filepath.Join(t.TempDir(), "depth")
	facts := mcdm("depth", 4)
	o.Networks = []Source{{"depth", folder}}
	for _, terms := range []string{"a; b", "CC0-1.0", "a; b", "b"} {
		facts["training"] = object{"terms": terms}
		save(t, folder, 11, plain(4), facts)
		more, _, err := Import(o)
		require.NoError(t, err)
		o.Keep, err = bundle.Open(mapFS(more))
		require.NoError(t, err)
	}
	require.Equal(t, "ours; a; b; CC0-1.0", o.Keep.Manifest.Terms)
}

// What was trained on photos does not get into a bundle as CC0.
func TestOtherTermsAreNotCC0(t *testing.T) {
	_, o := keeping(t, 0)
	o.Terms = "CC0-1.0. Trained by us."
	folder := filepath.Join(t.TempDir(), "sketch")
	facts := mcdm("sketch", 4)
	o.Networks = []Source{{"sketch", folder}}
	ours, photos := "CC0-1.0 (drawings)", "none: the photos have no licence"
	for _, c := range []struct {
		training object
		wrong    bool
	}{
		{object{"terms": ours, "started_from": object{"terms": ours}}, false},
		{object{}, false},
		{object{"terms": photos}, true},
		{object{"terms": ours, "started_from": object{"terms": photos}}, true},
		{object{"terms": ours, "started_from": []object{{"terms": ours}, {"terms": photos}}}, true},
	} {
		facts["training"] = c.training
		save(t, folder, 11, plain(4), facts)
		_, _, err := Import(o)
		if c.wrong {
			require.ErrorContains(t, err, `network "sketch"`)
			require.ErrorContains(t, err, photos)
		} else {
			require.NoError(t, err)
		}
	}
}

func TestKeepRefuses(t *testing.T) {
	files, o := keeping(t, 0)
	_, _, err := Import(o)
	require.ErrorContains(t, err, "no networks to import")

	other := filepath.Join(t.TempDir(), "depth")
	facts := mcdm("depth", 4)
	facts["prediction_type"] = "v_prediction"
	save(t, other, 11, plain(4), facts)
	o.Networks = []Source{{"depth", other}}
	_, _, err = Import(o)
	require.ErrorContains(t, err, `network "depth"`)
	require.ErrorContains(t, err, "v_prediction")

	o.DType = "f32"
	_, _, err = Import(o)
	require.ErrorContains(t, err, "the bundle to keep networks of is int8, and f32 is asked for")

	torn := mapFS(files)
	name := shardsOf(t, files, "mask")[0]
	torn[name].Data = torn[name].Data[:100]
	o.DType = "int8"
	o.Keep, err = bundle.Open(torn)
	require.NoError(t, err)
	_, _, err = Import(o)
	require.ErrorContains(t, err, name)
	require.ErrorContains(t, err, "torn")
	require.True(t, strings.HasPrefix(err.Error(), "--keep"), err)
}
