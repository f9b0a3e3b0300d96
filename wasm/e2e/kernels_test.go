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

// TestBrowserCompilesEveryKernel gives the browser's own compiler, which is
// stricter than the native one, every kernel with all its switches off and on,
// those that the page does not use yet as well. The merge is compiled to the
// end in all its variants.
func TestBrowserCompilesEveryKernel(t *testing.T) {
	type module struct {
		Name, Code string
		Pipeline   bool
	}
	var modules []module
	for _, k := range shaders.All() {
		var flags []string
		for _, o := range k.Overrides {
			if o.Type == "bool" {
				flags = append(flags, o.Name)
			}
		}
		merge := k.Name == "merge_step" || k.Name == "merge_stats" || k.Name == "metropolis"
		every := 1<<len(flags) - 1
		for set := range every + 1 {
			if !merge && set != 0 && set != every {
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
			modules = append(modules, module{name, code, merge})
		}
	}
	require.Greater(t, len(modules), 20)
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
		for (const { Name, Code, Pipeline } of %s) {
			const module = device.createShaderModule({ code: Code });
			const { messages } = await module.getCompilationInfo();
			problems.push(...messages.map((m) => Name + ' line ' + m.lineNum + ': ' + m.message));
			if (!Pipeline) continue;
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
