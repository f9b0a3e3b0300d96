package sampler

// The plots of README.md.
//
//go:generate mkdir -p plots
//go:generate go run ../cmd/mcdm exact --obs 0.5,0.2 --obs 0.5,0.2 --obs 0.5,0.2 --compare --plot plots/samplers.svg
//go:generate go run ../cmd/mcdm exact --obs 0.5,0.2 --obs 0.5,0.2 --obs 0.5,0.2 --seed 1 --samples 4000 --sampler ddim --steps 50 --plot plots/ddim.svg
//go:generate go run ../cmd/mcdm exact --obs 0.5,0.2 --obs 0.5,0.2 --obs 0.5,0.2 --seed 1 --samples 4000 --sampler ddpm --steps 1000 --plot plots/ddpm.svg
//go:generate go run ../cmd/mcdm exact --obs 0.5,0.2 --obs 0.5,0.2 --obs 0.5,0.2 --seed 1 --samples 4000 --sampler ddpm --steps 1000 --corrector 4 --plot plots/corrected.svg
//go:generate go run ../cmd/mcdm exact --prior=-0.5,0.15,2 --prior 0.5,0.15,1 --obs 0.2,0.4 --obs 0.2,0.4 --obs 0.2,0.4 --seed 1 --samples 4000 --sampler ddim --steps 50 --plot plots/clusters-ddim.svg
//go:generate go run ../cmd/mcdm exact --prior=-0.5,0.15,2 --prior 0.5,0.15,1 --obs 0.2,0.4 --obs 0.2,0.4 --obs 0.2,0.4 --seed 1 --samples 4000 --sampler ddpm --steps 250 --plot plots/clusters-ddpm.svg
//go:generate go run ../cmd/mcdm exact --prior=-0.5,0.15,2 --prior 0.5,0.15,1 --obs 0.2,0.4 --obs 0.2,0.4 --obs 0.2,0.4 --seed 1 --samples 4000 --sampler ddpm --steps 250 --corrector 4 --plot plots/clusters-corrected.svg
