// Package headless says how Chromium is started where nobody looks: by tests
// and benchmarks.
package headless

import (
	"os"
	"runtime"

	"github.com/chromedp/chromedp"
)

// Flags give headless Chromium WebGPU and WebGL, on the machine's graphics card where
// OnCard and else on software adapters, and keep it from calling home.
func Flags() []chromedp.ExecAllocatorOption {
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox,
		chromedp.Flag("headless", "new"),
		chromedp.Flag("enable-unsafe-webgpu", true),
		chromedp.Flag("enable-features", "Vulkan"),
		chromedp.Flag("disable-gpu", false),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
	)
	switch {
	case !OnCard():
		return append(flags,
			chromedp.Flag("use-webgpu-adapter", "swiftshader"),
			chromedp.Flag("use-angle", "swiftshader"),
			chromedp.Flag("enable-unsafe-swiftshader", true))
	case runtime.GOOS == "linux": // where it takes a software adapter otherwise, having no screen
		return append(flags,
			chromedp.Flag("use-angle", "vulkan"),
			chromedp.Flag("disable-vulkan-surface", true),
			chromedp.Flag("ignore-gpu-blocklist", true))
	}
	return flags
}

// OnCard tells whether MCDM_GPU=1 in the environment asks for the machine's graphics card.
func OnCard() bool { return os.Getenv("MCDM_GPU") == "1" }
