package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/unmask-eval/unmask/internal/grading/rubric"
)

// folds is into how many parts the development data is split.
const folds = 8

// models fits both models on items and returns their files. Both are fitted
// at the same time, each by its own trainer.
func models(items []item, scale, shift float64) (faking, answer string, err error) {
	var wg sync.WaitGroup
	var errs [2]error
	fitOne := func(k int, task rubric.Task, examples []rubric.Example, o rubric.FitOptions, out *string) {
		defer wg.Done()
		t, err := rubric.NewTrainer()
		if err != nil {
			errs[k] = err
			return
		}
		f := t.Fit(task, examples, o)
		if task == rubric.FakingTask {
			f.Calibrate(0, scale, shift)
			f.Calibrate(1, scale, 0)
		}
		*out = f.Render("# Coefficients, written by bench/grading fit. Columns: feature, weights.\n")
	}
	wg.Add(2)
	go fitOne(0, rubric.FakingTask, fakingExamples(items), rubric.FitOptions{}, &faking)
	go fitOne(1, rubric.AnswerTask, answerExamples(items), rubric.FitOptions{Passes: int(envF("PASS",20)), MinTexts: int(envF("MINT",2)), Ridge: envF("AR",0.03)}, &answer)
	wg.Wait()
	for _, e := range errs {
		if e != nil {
			return "", "", e
		}
	}
	return faking, answer, nil
}

// fold puts texts with the same prompt (or, without one, the same beginning)
// into the same part, so that no text is judged by a model that has seen
// another answer to the same request.
func fold(it item) int {
	key := it.prompt
	if key == "" {
		key = it.id
	}
	h := uint32(2166136261)
	for i := 0; i < len(key); i++ {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return int(h>>8) % folds
}

// fit writes the models fitted on own texts and the development data. The
// calibration comes from texts that each fit had not seen.
func fit(own, dev []item, dir string) error {
	scale, shift, err := calibration(own, dev)
	if err != nil {
		return err
	}
	faking, answer, err := models(append(append([]item(nil), own...), dev...), scale, shift)
	if err != nil {
		return err
	}
	if _, err := rubric.FromModels(faking, answer); err != nil {
		return err
	}
	for name, text := range map[string]string{"faking.tsv": faking, "answer.tsv": answer} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("fit: %w", err)
		}
		fmt.Printf("%s: %d features, %d bytes\n", name, strings.Count(text, "\n")-4, len(text))
	}
	fmt.Printf("calibration: log odds = %.3f sum %+.3f\n", scale, shift)
	return nil
}

// calibration fits the line from sums to log odds on held-out sums.
func calibration(own, dev []item) (scale, shift float64, err error) {
	var z []float64
	var y []bool
	var mu sync.Mutex
	var wg sync.WaitGroup
	limit := make(chan struct{}, runtime.GOMAXPROCS(0))
	errs := make([]error, folds)
	for k := range folds {
		wg.Add(1)
		go func() {
			defer wg.Done()
			limit <- struct{}{}
			defer func() { <-limit }()
			t, err := rubric.NewTrainer()
			if err != nil {
				errs[k] = err
				return
			}
			train, test := split(own, dev, k)
			f := t.Fit(rubric.FakingTask, fakingExamples(train), rubric.FitOptions{})
			for _, e := range fakingExamples(test) {
				p, w, _ := f.Scores(e.Text)
				s := (p + w)
				mu.Lock()
				z, y = append(z, s), append(y, e.Class == 1)
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	for _, e := range errs {
		if e != nil {
			return 0, 0, e
		}
	}
	scale, shift = platt(z, y)
	return scale, shift, nil
}

func split(own, dev []item, k int) (train, test []item) {
	train = append(train, own...)
	for _, it := range dev {
		if fold(it) == k {
			test = append(test, it)
		} else {
			train = append(train, it)
		}
	}
	return train, test
}

// platt fits y = sigmoid(a z + b) by Newton's method (Platt 1999, without his
// prior counts).
func platt(z []float64, y []bool) (a, b float64) {
	a = 1
	for range 50 {
		var ga, gb, haa, hab, hbb float64
		for i, x := range z {
			p := 1 / (1 + math.Exp(-(a*x + b)))
			t := 0.0
			if y[i] {
				t = 1
			}
			w := p * (1 - p)
			ga += (p - t) * x
			gb += p - t
			haa += w * x * x
			hab += w * x
			hbb += w
		}
		haa += 1e-6
		hbb += 1e-6
		det := haa*hbb - hab*hab
		a -= (hbb*ga - hab*gb) / det
		b -= (haa*gb - hab*ga) / det
	}
	return a, b
}
