// Package headless says how Chromium is started where nobody looks: by tests
// and benchmarks.
package headless

import (
	"slices"

	"github.com/chromedp/chromedp"
)

// Flags give headless Chromium WebGPU and WebGL on a machine without a GPU, and
// keep it from calling home.
func Flags() []chromedp.ExecAllocatorOption {
	return slices.Concat(OnGPU(), []chromedp.ExecAllocatorOption{
		chromedp.Flag("use-webgpu-adapter", "swiftshader"),
		chromedp.Flag("use-angle", "swiftshader"),
		chromedp.Flag("enable-unsafe-swiftshader", true),
	})
}

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
