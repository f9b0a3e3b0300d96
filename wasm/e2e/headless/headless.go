// Package headless says how Chromium is started where nobody looks: by tests
// and benchmarks.
package headless

import (
	"os"
	"slices"

	"github.com/chromedp/chromedp"
)

// Flags give headless Chromium WebGPU and WebGL on a machine without a GPU, and
// keep it from calling home; where HasGPU they are OnGPU's.
func Flags() []chromedp.ExecAllocatorOption {
	if HasGPU() {
		return OnGPU()
	}
	return slices.Concat(OnGPU(), []chromedp.ExecAllocatorOption{
		chromedp.Flag("use-webgpu-adapter", "swiftshader"),
		chromedp.Flag("use-angle", "swiftshader"),
		chromedp.Flag("enable-unsafe-swiftshader", true),
	})
}

// HasGPU tells whether MCDM_GPU=1 in the environment asks for the machine's graphics card.
func HasGPU() bool { return os.Getenv("MCDM_GPU") == "1" }

// OnGPU is Flags for the machine's own graphics card.
func OnGPU() []chromedp.ExecAllocatorOption {
	return slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.NoSandbox,
		chromedp.Flag("headless", "new"),
		chromedp.Flag("enable-unsafe-webgpu", true),
		chromedp.Flag("enable-features", "Vulkan"),
		chromedp.Flag("disable-gpu", false),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
	})
}
