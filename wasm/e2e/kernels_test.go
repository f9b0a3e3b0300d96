package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mcdm/mcdm/shaders"
)

// TestBrowserCompilesTheMerge gives the browser's own compiler, which is
// stricter than the native one, the merge in all its variants: those that the
// page does not use yet as well.
func TestBrowserCompilesTheMerge(t *testing.T) {
	type module struct{ Name, Code string }
	var modules []module
	variants := map[string][]string{"merge_step": {"INIT", "MAPS", "STATS"}, "merge_stats": {"MAPS"}, "metropolis": {"MAPS"}}
	for _, k := range shaders.All() {
		flags := variants[k.Name]
		for set := range 1 << len(flags) {
			if len(flags) == 0 {
				continue
			}
			constants, name := shaders.Constants{}, k.Name
			for i, f := range flags {
				if constants[f] = uint32(set >> i & 1); constants[f] == 1 {
					name += " " + f
				}
			}
			code, err := k.Code(constants)
			require.NoError(t, err)
			modules = append(modules, module{name, code})
		}
	}
	require.Len(t, modules, 12)
	list, err := json.Marshal(modules)
	require.NoError(t, err)
	empty := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<!doctype html><title>kernels</title>"))
	})
	p := openAt(t, empty, 400, 300, 2*time.Minute)
	eval[bool](p, `(async () => {
		const device = await (await navigator.gpu.requestAdapter()).requestDevice();
		const problems = [];
		for (const { Name, Code } of %s) {
			const module = device.createShaderModule({ code: Code });
			const { messages } = await module.getCompilationInfo();
			problems.push(...messages.map((m) => Name + ' line ' + m.lineNum + ': ' + m.message));
			try {
				await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
			} catch (e) { problems.push(Name + ': ' + e.message); }
		}
		window.problems = problems;
	})().catch((e) => { window.problems = [String(e)]; }), true`, list)
	for end := time.Now().Add(time.Minute); !eval[bool](p, "window.problems !== undefined"); time.Sleep(100 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "the browser is still compiling")
	}
	assert.Empty(t, eval[[]string](p, "window.problems"))
}
