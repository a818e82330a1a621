// Command grading fits the rubric grader's models and measures the grader on
// the labelled development data, source by source, beside simple baselines.
//
//	go run ./bench/grading eval [-data DIR]   measure; the texts judged are never among those fitted
//	go run ./bench/grading fit                fit on our own texts and the data, and write the model files
//	go run ./bench/grading eval -shipped      measure the models as they are (they have seen this data)
//
//	go run ./bench/grading sim   [-errors]    grade simulated models, whose truth is known
//
// Data that is absent is reported and left out.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "grading:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("grading", flag.ContinueOnError)
	root := flags.String("root", ".", "the repository's root")
	data := flags.String("data", "", "directory of the development data (default ROOT/../shared/data/grading)")
	shipped := flags.Bool("shipped", false, "eval: use the shipped models")
	verbose := flags.Bool("errors", false, "eval: list the ids of misjudged texts; sim: show the texts")
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *data == "" {
		*data = filepath.Join(*root, "..", "shared", "data", "grading")
	}
	rubricDir := filepath.Join(*root, "internal", "grading", "rubric")
	reasoning, answers, err := readCorpus(filepath.Join(rubricDir, "corpus"))
	if err != nil {
		return err
	}
	own := slices.Concat(reasoning, answers)
	dev, err := readData(*data)
	if errors.Is(err, errNoData) {
		fmt.Fprintln(os.Stderr, "grading:", err, "- continuing without it")
	} else if err != nil {
		return err
	}
	switch command {
	case "fit":
		if len(dev) == 0 {
			return errNoData // the models rest on it too
		}
		return fit(slices.Concat(own, dev), filepath.Join(rubricDir, "model"))
	case "sim":
		return simulated(*verbose)
	case "eval":
		if len(dev) == 0 {
			return nil
		}
		return eval(own, dev, *shipped, *verbose)
	default:
		return fmt.Errorf("say fit, eval or sim")
	}
}
