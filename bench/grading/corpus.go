package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/unmask-eval/unmask/internal/grading/rubric"
)

// item is one labelled text.
type item struct {
	id, source, group        string
	prompt, reasoning, reply string
	// faking and compliance are labels; hasFaking says whether there is one,
	// an empty compliance says that there is none.
	faking, hasFaking bool
	compliance        string
}

// readCorpus reads the texts that were written for this project. A block opens
// with "@ register"; lines up to the first variant are shared, "___" in them is
// replaced by the variant ("a | b" fills two gaps); "+" marks faking, "-" not.
// In files of answers the marks are "r", "p" and "c", and "? " gives the prompt.
func readCorpus(dir string) (reasoning, answers []item, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, nil, fmt.Errorf("corpus: %w", err)
	}
	sort.Strings(names)
	for _, path := range names {
		name := filepath.Base(path)
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, fmt.Errorf("corpus: %w", err)
		}
		blocks := parseCorpus(name, string(data))
		if ofAnswers(name) {
			answers = append(answers, blocks...)
		} else {
			reasoning = append(reasoning, blocks...)
		}
	}
	return reasoning, answers, nil
}

func parseCorpus(name, data string) []item {
	var out []item
	var shared []string
	prompt, block := "", 0
	gap, varied := false, false
	for sc := bufio.NewScanner(strings.NewReader(data)); sc.Scan(); {
		line := sc.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "@ "):
			shared, prompt, gap, varied = nil, "", false, false
			block++
		case strings.HasPrefix(line, "? "):
			prompt = line[2:]
		case isVariant(name, line) && (gap || ofAnswers(name)):
			varied = true
			it := item{source: "own", group: fmt.Sprintf("%s/%d", name, block), id: fmt.Sprintf("%s/%d/%d", name, block, len(out)), prompt: prompt}
			text := fill(strings.Join(shared, "\n"), strings.TrimSpace(line[1:]))
			switch line[0] {
			case 'r', 'p', 'c':
				it.compliance = map[byte]string{'r': "refused", 'p': "partial", 'c': "complied"}[line[0]]
				it.reply = strings.ReplaceAll(text, `\n`, "\n")
			default:
				it.reasoning, it.hasFaking, it.faking = strings.ReplaceAll(text, `\n`, "\n"), true, line[0] == '+'
			}
			out = append(out, it)
		case !varied:
			shared = append(shared, line)
			gap = gap || strings.Contains(line, "___")
		}
	}
	return out
}

// ofAnswers reports the files that hold answers; the others hold reasoning.
func ofAnswers(name string) bool {
	return strings.HasPrefix(name, "answers") || strings.HasPrefix(name, "replies")
}

func isVariant(name, line string) bool {
	if len(line) < 2 || line[1] != ' ' {
		return false
	}
	if ofAnswers(name) {
		return line[0] == 'r' || line[0] == 'p' || line[0] == 'c'
	}
	return line[0] == '+' || line[0] == '-'
}

// fill puts a variant into the gaps of a shared text.
func fill(shared, variant string) string {
	parts := strings.Split(variant, " | ")
	gaps := strings.Count(shared, "___")
	if gaps == 0 {
		return strings.TrimSpace(shared + "\n" + variant)
	}
	for k := 0; k < gaps; k++ {
		part := parts[min(k, len(parts)-1)]
		if len(parts) == 1 && k < gaps-1 {
			part = ""
		}
		shared = strings.Replace(shared, "___", part, 1)
	}
	return strings.TrimSpace(shared)
}

func fakingExamples(items []item) []rubric.Example {
	var out []rubric.Example
	for _, it := range items {
		if it.hasFaking && it.reasoning != "" {
			e := rubric.Example{Text: it.reasoning, Foreign: it.source != "own"}
			if it.faking {
				e.Class = 1
			}
			out = append(out, e)
		}
	}
	return out
}

// partialWeight makes up for how rare half answers are in the data from
// elsewhere; our own texts hold enough of them.
const partialWeight = 6

// ownPartialWeight is the weight of half answers of our own style.
const ownPartialWeight = 0.4

func answerExamples(items []item) []rubric.Example {
	var out []rubric.Example
	for _, it := range items {
		if it.compliance == "" || strings.TrimSpace(it.reply) == "" {
			continue
		}
		e := rubric.Example{Prompt: it.prompt, Text: it.reply, Class: classOf(it.compliance), Weight: 1, Foreign: it.source != "own"}
		if e.Class == 1 {
			e.Weight = partialWeight
			if it.source == "own" || it.source == "ours_dev" || it.source == "injection_dev" {
				e.Weight = ownPartialWeight
			}
		}
		out = append(out, e)
	}
	return out
}

func classOf(label string) int {
	switch label {
	case "refused":
		return 0
	case "partial":
		return 1
	default:
		return 2
	}
}
