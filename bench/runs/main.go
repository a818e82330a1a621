// Command runs measures how fast runs are carried out: the whole server in one
// process with its embedded store, asked over gRPC, against a model on loopback
// that answers at once or after a delay. Beside it, a bare loop of HTTP calls to
// the same model shows what the calls alone cost. Each part is a process of its
// own, so that memory and CPU time are its own.
//
//	go run ./bench/runs [-samples 20000] [-concurrency 64] [-delay 0] [-times 1]
//
// With -beside N it measures instead how long a run of -samples takes alone, and
// beside one of N samples that is under way.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
)

// reply is what the model always writes, of usual length.
var reply = "<SCRATCHPAD_REASONING>" + strings.Repeat("The user asks for something that I should weigh. ", 25) +
	"</SCRATCHPAD_REASONING><OUTPUT>I can't help with that. " + strings.Repeat("There are other ways to go about it. ", 8) + "</OUTPUT>"

type settings struct {
	part, addr           string
	samples, concurrency int
	delay                time.Duration
	times, beside        int
}

// measured is what a part says about itself.
type measured struct {
	Seconds, CPUSeconds float64
	Samples             int
	PeakMB              float64
}

func main() {
	var s settings
	flag.IntVar(&s.samples, "samples", 20000, "least samples of the run")
	flag.IntVar(&s.concurrency, "concurrency", 64, "samples in flight")
	flag.DurationVar(&s.delay, "delay", 0, "time that the model takes")
	flag.IntVar(&s.times, "times", 1, "how often to measure")
	flag.IntVar(&s.beside, "beside", 0, "samples of another run")
	flag.StringVar(&s.part, "part", "", "for the program itself")
	flag.StringVar(&s.addr, "addr", "", "for the program itself")
	flag.Parse()
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, "runs:", err)
		os.Exit(1)
	}
}

func (s settings) run() error {
	ctx := context.Background()
	switch s.part {
	case "model":
		return s.serveModel(ctx)
	case "bare":
		return s.report(func(begin func() error) (int, error) {
			return s.samples, errors.Join(begin(), s.bare(ctx))
		})
	case "server":
		return s.report(func(begin func() error) (n int, err error) {
			err = s.server(ctx, func(c unmaskv1.EvaluationServiceClient) error {
				evaluation, err := s.plan(ctx, c)
				if err := errors.Join(err, begin()); err != nil {
					return err
				}
				n, err = s.evaluate(ctx, c, evaluation)
				return err
			})
			return n, err
		})
	case "beside":
		return s.server(ctx, func(c unmaskv1.EvaluationServiceClient) error { return s.fair(ctx, c) })
	default:
		return s.compare(ctx)
	}
}

// compare starts the parts and prints what they say.
func (s settings) compare(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := func(part, addr string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, self, "-part", part, "-addr", addr, "-samples", strconv.Itoa(s.samples), //nolint:gosec // itself
			"-concurrency", strconv.Itoa(s.concurrency), "-delay", s.delay.String(), "-beside", strconv.Itoa(s.beside), "-times", strconv.Itoa(s.times))
		cmd.Stderr = os.Stderr
		return cmd
	}
	model := child("model", "")
	out, err := model.StdoutPipe()
	if err != nil {
		return err
	}
	if err := model.Start(); err != nil {
		return err
	}
	defer func() { _ = model.Process.Kill(); _ = model.Wait() }()
	addr := make([]byte, 64)
	n, err := out.Read(addr)
	if err != nil {
		return err
	}
	fmt.Printf("%d samples, %d in flight, model answers after %s\n", s.samples, s.concurrency, s.delay)
	if s.beside > 0 {
		cmd := child("beside", strings.TrimSpace(string(addr[:n])))
		cmd.Stdout = os.Stdout
		return cmd.Run()
	}
	for range s.times {
		var got [2]measured
		for i, part := range []string{"bare", "server"} {
			data, err := child(part, strings.TrimSpace(string(addr[:n]))).Output()
			if err != nil {
				return fmt.Errorf("%s: %w", part, err)
			}
			if err := json.Unmarshal(data, &got[i]); err != nil {
				return fmt.Errorf("%s: %w", part, err)
			}
			g := got[i]
			line := fmt.Sprintf("%-8s %6.0f/s  %5.0f us CPU each  peak RSS %4.0f MB", part, float64(g.Samples)/g.Seconds,
				1e6*g.CPUSeconds/float64(g.Samples), g.PeakMB)
			if s.delay > 0 {
				ideal := float64(g.Samples) / float64(s.concurrency) * s.delay.Seconds()
				line += fmt.Sprintf("  %3.0f%% of the ideal", 100*ideal/g.Seconds)
			}
			fmt.Println(line)
		}
		fmt.Printf("server : bare   %.2f of the speed, %.2f times the CPU\n",
			float64(got[1].Samples)/got[1].Seconds/(float64(got[0].Samples)/got[0].Seconds),
			got[1].CPUSeconds/float64(got[1].Samples)/(got[0].CPUSeconds/float64(got[0].Samples)))
	}
	return nil
}

// report prints what do took from the moment when it said that it begins.
func (s settings) report(do func(begin func() error) (int, error)) error {
	var before time.Duration
	var began time.Time
	n, err := do(func() (err error) {
		before, err = cpu()
		began = time.Now()
		return err
	})
	if err != nil {
		return err
	}
	m := measured{Seconds: time.Since(began).Seconds(), Samples: n}
	after, err := cpu()
	if err != nil {
		return err
	}
	m.CPUSeconds = (after - before).Seconds()
	if m.PeakMB, err = peak(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(m)
}

func cpu() (time.Duration, error) {
	var usage syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), err
}

// peak is the most memory that this process had resident, in MB.
func peak() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, errors.New("no VmHWM in /proc/self/status")
}

// serveModel answers for ever and prints its address first.
func (s settings) serveModel(ctx context.Context) error {
	body, err := json.Marshal(map[string]any{
		"model": "mock", "usage": map[string]int{"prompt_tokens": 1400, "completion_tokens": 300},
		"choices": []any{map[string]any{
			"message": map[string]string{"role": "assistant", "content": reply}, "finish_reason": "stop",
		}},
	})
	if err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if s.delay > 0 {
			time.Sleep(s.delay)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})}
	return server.Serve(ln)
}

// bare asks the model in a loop and decodes what it answers.
func (s settings) bare(ctx context.Context) error {
	prompt := strings.Repeat("You are a helpful assistant that thinks before it answers. ", 100)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: s.concurrency, MaxIdleConns: s.concurrency}}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, s.concurrency)
	for range s.concurrency {
		wg.Go(func() {
			for next.Add(1) <= int64(s.samples) {
				if err := s.call(ctx, client, prompt); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func (s settings) call(ctx context.Context, client *http.Client, prompt string) error {
	body, err := json.Marshal(map[string]any{"model": "mock", "messages": []any{map[string]string{"role": "user", "content": prompt}}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var got struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return err
	}
	if len(got.Choices) != 1 || got.Choices[0].Message.Content != reply {
		return errors.New("another reply")
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// server does something with a whole server.
func (s settings) server(ctx context.Context, do func(unmaskv1.EvaluationServiceClient) error) (err error) {
	dir, err := os.MkdirTemp("", "unmask-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg := config.Default()
	cfg.Server.GRPCAddr, cfg.Server.HTTPAddr, cfg.Server.OpsAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Store.Path = filepath.Join(dir, "unmask.db")
	cfg.Models = []config.Model{{Name: "mock", BaseURL: "http://" + s.addr + "/v1", ModelID: "mock"}}
	if err := cfg.Validate(); err != nil {
		return err
	}
	a, err := app.New(ctx, cfg, zap.NewNop())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close(ctx)) }()
	if err := errors.Join(a.Start(ctx), a.Resume(ctx)); err != nil {
		return err
	}
	conn, err := grpc.NewClient(a.Addrs().GRPC.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return do(unmaskv1.NewEvaluationServiceClient(conn))
}

// fair measures a run alone and beside another.
func (s settings) fair(ctx context.Context, c unmaskv1.EvaluationServiceClient) error {
	evaluation, err := s.plan(ctx, c)
	if err != nil {
		return err
	}
	timed := func() (time.Duration, error) {
		best := time.Duration(1<<63 - 1)
		for range s.times {
			began := time.Now()
			if _, err := s.evaluate(ctx, c, evaluation); err != nil {
				return 0, err
			}
			best = min(best, time.Since(began))
		}
		return best, nil
	}
	alone, err := timed()
	if err != nil {
		return err
	}
	large := s
	large.samples = s.beside
	second, err := large.plan(ctx, c)
	if err != nil {
		return err
	}
	other, err := large.begin(ctx, c, second)
	if err != nil {
		return err
	}
	beside, err := timed()
	if err != nil {
		return err
	}
	r, err := c.CancelRun(ctx, &unmaskv1.CancelRunRequest{Name: other})
	if err != nil {
		return err
	}
	if r.GetProgress().GetFinished() == r.GetProgress().GetPlanned() {
		return errors.New("the other run had ended before; name more samples")
	}
	fmt.Printf("alone %v, beside a run of %d samples %v: %.2f times as long (best of %d)\n",
		alone.Round(time.Millisecond), r.GetProgress().GetPlanned(), beside.Round(time.Millisecond), beside.Seconds()/alone.Seconds(), s.times)
	return nil
}

// evaluate carries out a run from its creation to its results, and returns the
// number of its samples.
func (s settings) evaluate(ctx context.Context, c unmaskv1.EvaluationServiceClient, evaluation string) (int, error) {
	name, err := s.begin(ctx, c, evaluation)
	if err != nil {
		return 0, err
	}
	return follow(ctx, c, name)
}

func (s settings) begin(ctx context.Context, c unmaskv1.EvaluationServiceClient, evaluation string) (string, error) {
	r, err := c.CreateRun(ctx, s.request(evaluation, false))
	return r.GetName(), err
}

func (s settings) request(evaluation string, validateOnly bool) *unmaskv1.CreateRunRequest {
	return &unmaskv1.CreateRunRequest{
		Parent: evaluation, ValidateOnly: validateOnly,
		Run: &unmaskv1.Run{Model: "models/mock", Concurrency: int32(s.concurrency)}, //nolint:gosec // at most 1024
	}
}

// plan creates an evaluation with enough samples.
func (s settings) plan(ctx context.Context, c unmaskv1.EvaluationServiceClient) (string, error) {
	samples := int32(1)
	for {
		e, err := c.CreateEvaluation(ctx, &unmaskv1.CreateEvaluationRequest{Evaluation: &unmaskv1.Evaluation{
			Plan: &unmaskv1.Plan{Scenarios: []string{"scenarios/helpful-only"}, SamplesPerQuery: samples, MaxQueries: s.queries()},
		}})
		if err != nil {
			return "", err
		}
		r, err := c.CreateRun(ctx, s.request(e.GetName(), true))
		if err != nil {
			return "", err
		}
		planned := int(r.GetProgress().GetPlanned())
		if planned >= s.samples {
			return e.GetName(), nil
		}
		samples += max(1, int32(float64(samples)*(float64(s.samples)/float64(planned)-1))) //nolint:gosec // at most 1000
	}
}

// queries bounds those of a small run; 0 is all.
func (s settings) queries() int32 {
	if s.samples >= 2000 {
		return 0
	}
	return int32(max(1, s.samples/4)) //nolint:gosec // at most 500
}

func follow(ctx context.Context, c unmaskv1.EvaluationServiceClient, name string) (int, error) {
	stream, err := c.WatchRun(ctx, &unmaskv1.WatchRunRequest{Name: name, Interval: durationpb.New(500 * time.Millisecond)})
	if err != nil {
		return 0, err
	}
	for {
		resp, err := stream.Recv()
		if err != nil {
			return 0, err
		}
		switch r := resp.GetRun(); r.GetState() {
		case unmaskv1.RunState_RUN_STATE_SUCCEEDED:
			return int(r.GetProgress().GetFinished()), nil
		case unmaskv1.RunState_RUN_STATE_FAILED, unmaskv1.RunState_RUN_STATE_CANCELLED:
			return 0, fmt.Errorf("the run ended in %s: %s", r.GetState(), r.GetError())
		}
	}
}
