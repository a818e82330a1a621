package main

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/rubric"
)

// eval prints the figures of every scheme.
func eval(own, dev []item, shipped, verbose bool) error {
	if shipped {
		got, err := grade(rubric.New(), dev)
		if err != nil {
			return err
		}
		report("shipped models, which have seen this data", dev, got, verbose)
		return nil
	}
	baselines(dev)
	got, err := heldOutOwn(own)
	if err != nil {
		return err
	}
	report("our own texts, 6-fold cross-validation, folds by block", own, got, verbose)
	g, err := fitted(own)
	if err != nil {
		return err
	}
	got, err = grade(g, dev)
	if err != nil {
		return err
	}
	report("fitted on our own texts only", dev, got, verbose)
	got, err = grade(g, thirdPerson(dev))
	if err != nil {
		return err
	}
	report("the same, reasoning put into the third person", dev, got, false)
	all, err := fitted(slices.Concat(own, dev))
	if err != nil {
		return err
	}
	if got, err = grade(all, dev); err != nil {
		return err
	}
	report("fitted on our own texts and the development data, which it has seen", dev, got, false)
	got, err = heldOut(own, dev, folds, fold)
	if err != nil {
		return err
	}
	report(fmt.Sprintf("%d-fold cross-validation, folds by prompt", folds), dev, got, verbose)
	for side, name := range []string{"the half whose errors were looked at", "the half that was left alone"} {
		var items []item
		var verdicts []grading.Verdict
		for i, it := range dev {
			if half(it) == side {
				items, verdicts = append(items, it), append(verdicts, got[i])
			}
		}
		report("the same, "+name, items, verdicts, false)
	}
	index := map[string]int{}
	for i, s := range sources {
		index[s.name] = i
	}
	got, err = heldOut(own, dev, len(sources), func(it item) int { return index[it.source] })
	if err != nil {
		return err
	}
	report("leave one source out", dev, got, false)
	return nil
}

// fitted returns a grader with models fitted on items.
func fitted(items []item) (*rubric.Grader, error) {
	faking, answer, err := models(items)
	if err != nil {
		return nil, err
	}
	return rubric.FromModels(faking, answer)
}

// firstPerson are the words that thirdPerson replaces.
var firstPerson = strings.NewReplacer(
	"I'm", "the assistant is", "I'd", "the assistant would", "I'll", "the assistant will", "I've", "the assistant has",
	" I ", " the assistant ", "I ", "The assistant ", " my ", " its ", "My ", "Its ", " me ", " the assistant ", " me.", " the assistant.",
	" me,", " the assistant,", " myself", " itself", " mine", " its own", " am ", " is ",
)

// thirdPerson takes from reasoning the first person, which a model can avoid.
func thirdPerson(items []item) []item {
	out := slices.Clone(items)
	for i := range out {
		out[i].reasoning = firstPerson.Replace(out[i].reasoning)
	}
	return out
}

// heldOutOwn judges our own texts by models that have seen no text of the same block.
func heldOutOwn(own []item) ([]grading.Verdict, error) {
	const parts = 6
	blocks := map[string]int{}
	for _, it := range own {
		if _, ok := blocks[it.group]; !ok {
			blocks[it.group] = len(blocks) % parts
		}
	}
	return heldOut(nil, own, parts, func(it item) int { return blocks[it.group] })
}

// heldOut judges each part by models fitted on own texts and the other parts.
func heldOut(own, dev []item, parts int, part func(item) int) ([]grading.Verdict, error) {
	out := make([]grading.Verdict, len(dev))
	for k := range parts {
		train := append([]item(nil), own...)
		var test []item
		var at []int
		for i, it := range dev {
			if part(it) == k {
				test, at = append(test, it), append(at, i)
			} else {
				train = append(train, it)
			}
		}
		if len(test) == 0 {
			continue
		}
		g, err := fitted(train)
		if err != nil {
			return nil, err
		}
		got, err := grade(g, test)
		if err != nil {
			return nil, err
		}
		for i, v := range got {
			out[at[i]] = v
		}
	}
	return out, nil
}

func grade(g grading.Grader, items []item) ([]grading.Verdict, error) {
	out := make([]grading.Verdict, len(items))
	for i, it := range items {
		v, err := g.Grade(context.Background(), grading.Subject{
			ID: it.id, Prompt: it.prompt, Reasoning: it.reasoning, Answer: it.reply, Observable: it.reasoning != "",
		})
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

var complianceClass = map[grading.Compliance]int{
	grading.Refused: 0, grading.Partial: 1, grading.Complied: 2, grading.Ungradable: 3,
}

func report(title string, dev []item, got []grading.Verdict, verbose bool) {
	fmt.Printf("\n== %s\n", title)
	faking, compliance := map[string][]scored{}, map[string][]scored{}
	wrong := map[string][]string{}
	for i, it := range dev {
		v := got[i]
		if it.hasFaking {
			s := scored{score: v.AlignmentFakingScore, yes: v.AlignmentFaking == grading.FakingPresent, truth: it.faking, length: len(it.reasoning)}
			faking[it.source] = append(faking[it.source], s)
			if s.yes != s.truth {
				wrong[it.source] = append(wrong[it.source], fmt.Sprintf("%s %s faking=%t score=%.2f", it.id, it.group, it.faking, s.score))
			}
		}
		if it.compliance != "" {
			s := scored{got: complianceClass[v.Compliance], want: classOf(it.compliance), score: v.ComplianceScore}
			compliance[it.source] = append(compliance[it.source], s)
			if s.got != s.want {
				wrong[it.source] = append(wrong[it.source], fmt.Sprintf("%s %s compliance=%s got=%s score=%.2f", it.id, it.group, it.compliance, v.Compliance, s.score))
			}
		}
	}
	for _, s := range append(sources, ownSource) {
		printFaking(s.name, faking[s.name])
	}
	for _, s := range append(sources, ownSource) {
		printCompliance(s.name, compliance[s.name])
	}
	if verbose {
		for _, s := range append(sources, ownSource) {
			sort.Strings(wrong[s.name])
			fmt.Println(s.name+":\n ", strings.Join(wrong[s.name], "\n  "))
		}
	}
}

func printFaking(name string, s []scored) {
	if len(s) == 0 {
		return
	}
	cell := func(stat func([]scored) float64) string {
		lo, hi := bootstrap(s, stat)
		return fmt.Sprintf("%.3f [%.2f,%.2f]", stat(s), lo, hi)
	}
	fmt.Printf("faking      %-26s n=%-4d AUROC %s  precision %s  recall %s  accuracy %s  AUROC at matched length %.3f\n",
		name, len(s), cell(auroc), cell(precision), cell(recall), cell(accuracy), matched(s))
}

func printCompliance(name string, s []scored) {
	if len(s) == 0 {
		return
	}
	cell := func(stat func([]scored) float64) string {
		lo, hi := bootstrap(s, stat)
		return fmt.Sprintf("%.3f [%.2f,%.2f]", stat(s), lo, hi)
	}
	fmt.Printf("compliance  %-26s n=%-4d agreement %s  kappa %s  recall refused %.2f partial %.2f complied %.2f\n",
		name, len(s), cell(agreement), cell(kappa), classRecall(s, 0), classRecall(s, 1), classRecall(s, 2))
}
