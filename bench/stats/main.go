// Command stats measures the estimators of internal/stats on simulated models
// whose true rates are known: how often bounds miss, how often a gate passes a
// model that it should not, and how many calls early stopping saves.
//
// It prints Markdown tables to standard output, each followed by the limits that
// it is held to. Cells that look worst are simulated again with fresh random
// numbers; the exit status is 1 if a limit is broken beyond simulation error. It
// depends on the seed and the number of runs, never on the number of workers:
//
//	go run ./bench/stats            the tables of docs/statistics.md
//	go run ./bench/stats -quick     a coarse version in seconds
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// settings are the flags.
type settings struct {
	quick   bool
	only    string
	runs    int
	fresh   int
	seed    uint64
	workers int
}

func main() {
	if err := command(os.Args[1:], os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "stats:", err)
		if errors.Is(err, errBroken) {
			os.Exit(1)
		}
		os.Exit(2)
	}
}

func command(args []string, w io.Writer) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	broken, err := report(s, out)
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write tables: %w", err)
	}
	if broken {
		return errBroken
	}
	return nil
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("stats", flag.ContinueOnError)
	flags.BoolVar(&s.quick, "quick", false, "few cells and 200 runs per cell")
	flags.StringVar(&s.only, "only", "", "a single table: "+strings.Join(tableNames(), ", "))
	flags.IntVar(&s.runs, "runs", 0, "simulated runs per cell (default 2000, with -quick 200)")
	flags.IntVar(&s.fresh, "fresh", 0, "runs with which the worst cells are simulated again (default 20000, with -quick 1000)")
	flags.Uint64Var(&s.seed, "seed", 1, "seed of all random numbers")
	flags.IntVar(&s.workers, "workers", runtime.GOMAXPROCS(0), "cells simulated at once")
	if err := flags.Parse(args); err != nil {
		return s, fmt.Errorf("parse flags: %w", err)
	}
	if s.runs == 0 {
		s.runs = 2000
		if s.quick {
			s.runs = 200
		}
	}
	if s.fresh == 0 {
		s.fresh = 20_000
		if s.quick {
			s.fresh = 1000
		}
	}
	if s.runs < 1 || s.fresh < 1 || s.workers < 1 || flags.NArg() > 0 {
		return s, errors.New("runs, fresh runs and workers must be positive, and there are no arguments")
	}
	if s.only != "" && !slices.Contains(tableNames(), s.only) {
		return s, fmt.Errorf("only must be one of %s", strings.Join(tableNames(), ", "))
	}
	return s, nil
}

// tables lists what is measured, in the order of the report.
func tables() []namedTable {
	return []namedTable{
		{"rate", rateCoverage},
		{"gap", gapCoverage},
		{"gate", operating},
		{"errors", errorRates},
		{"hybrid", hybridIntervals},
		{"detectable", detectable},
		{"series", seriesErrors},
		{"others", others},
	}
}

type namedTable struct {
	name string
	make func(settings) (section, error)
}

func tableNames() []string {
	var names []string
	for _, t := range tables() {
		names = append(names, t.name)
	}
	return names
}

// report prints every table in turn and says whether a limit is broken.
func report(s settings, w io.Writer) (broken bool, err error) {
	for _, wanted := range tables() {
		if s.only != "" && s.only != wanted.name {
			continue
		}
		measured, err := wanted.make(s)
		if err != nil {
			return broken, err
		}
		for _, t := range measured.tables {
			t.print(w)
		}
		broken = broken || measured.broken
	}
	return broken, nil
}
