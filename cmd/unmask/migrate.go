package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
)

func newMigrate() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the schema of the database up to date", Args: noArgs,
		Long: `Bring the schema of the database up to date. A SQLite file is migrated whenever
it is opened, so this is for PostgreSQL: after installing a new version, run it
once before the servers are started. Running it twice, also at once, is safe.

Migrations only go forward: take a backup if you may want to go back.`,
	}
	cmd.Flags().StringVar(&file, "config", os.Getenv(config.EnvFile), "settings file in YAML (env UNMASK_CONFIG)")
	addDatabase(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(config.Source{File: file, Environ: os.Environ(), Flags: changedSettings(cmd.Flags())})
		if err != nil {
			return err
		}
		from, to, err := app.Migrate(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if from == to {
			_, err = fmt.Fprintf(out, "%s has schema version %d already\n", app.Place(cfg), to)
		} else {
			_, err = fmt.Fprintf(out, "%s went from schema version %d to %d\n", app.Place(cfg), from, to)
		}
		return err
	}
	return cmd
}
