package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mcdm/mcdm/engine/gpu"
)

func devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "List the graphics adapters, the one that is used first",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			list, err := gpu.Adapters()
			for _, i := range list {
				fmt.Printf("%s  type %s  features %v\n", i, i.Type, i.Features)
			}
			return err
		},
	}
}
