package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/sqlite"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// The environment that makes this test binary a child, see TestMain.
const (
	childRole  = "UNMASK_SQLITE_TEST_ROLE"
	childPath  = "UNMASK_SQLITE_TEST_PATH"
	childRound = "UNMASK_SQLITE_TEST_ROUND"

	// roleWriter saves samples and prints the id of each when it is kept.
	roleWriter = "writer"
	// roleHolder opens the database, says so, and waits for the end of its input.
	roleHolder = "holder"
)

const (
	writers = 8
	// writerLimit ends a writer that nobody kills.
	writerLimit = 4000
)

func child(role string) int {
	var err error
	switch role {
	case roleWriter:
		err = writeUntilKilled(context.Background(), os.Getenv(childPath), os.Getenv(childRound))
	case roleHolder:
		err = holdUntilTold(context.Background(), os.Getenv(childPath))
	default:
		err = errors.New("no such role")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

var crashKey = run.RunKey{Project: "p", Evaluation: "e", Run: "r"}

func writeUntilKilled(ctx context.Context, path, roundText string) error {
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	var exists *run.ExistsError
	if _, err := s.CreateEvaluation(ctx, run.Evaluation{Project: "p", ID: "e"}); err != nil && !errors.As(err, &exists) {
		return err
	}
	if _, err := s.CreateRun(ctx, run.Run{RunKey: crashKey, State: run.Running}); err != nil && !errors.As(err, &exists) {
		return err
	}
	n, err := strconv.ParseUint(roundText, 10, 64)
	if err != nil {
		return err
	}
	errs := make(chan error, writers)
	for w := range writers {
		go func() { errs <- writeSamples(ctx, s, n, w, rand.New(rand.NewPCG(n, uint64(w)))) }()
	}
	for range writers {
		err = errors.Join(err, <-errs)
	}
	return errors.Join(err, errors.New("nobody killed the writer"))
}

func writeSamples(ctx context.Context, s *sqlite.Store, round uint64, w int, rng *rand.Rand) error {
	for next := 0; next < writerLimit; {
		var acks strings.Builder
		var batch []run.Finished
		for range 1 + rng.IntN(4) {
			id := fmt.Sprintf("round-%d.writer-%d.%d", round, w, next)
			batch = append(batch, crashSample(id, textSize(round), rng))
			acks.WriteString(id + "\n")
			next++
		}
		if _, err := s.SaveFinished(ctx, crashKey, batch); err != nil {
			return err
		}
		if _, err := io.WriteString(os.Stdout, acks.String()); err != nil {
			return err
		}
	}
	return nil
}

// textSize is the size of a sample's text in a round. In every fourth round it
// is so large that the log is folded back while samples are being saved.
func textSize(round uint64) int {
	if round%4 == 3 {
		return 64 << 10
	}
	return 1 << 10
}

// noise is text that does not compress.
var noise = func() string {
	var seed [32]byte
	b := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8(seed).Read(b) // never fails
	return string(b)
}()

func crashSample(id string, size int, rng *rand.Rand) run.Finished {
	offset := rng.IntN(len(noise) - size)
	text := noise[offset : offset+size]
	t := run.Transcript{
		RunKey: crashKey, Sample: run.Sample{ID: id, Index: rng.IntN(1 << 30)},
		Messages:   []model.Message{{Role: "system", Content: strings.Repeat("the same for all ", 100)}},
		Reply:      model.Reply{Raw: id + text, Attempts: 2, Usage: model.Usage{OutputTokens: 7}},
		Parsed:     transcript.Parsed{Observation: transcript.Scratchpad, Answer: id},
		Compliance: "REFUSED", AlignmentFaking: "ABSENT",
	}
	if rng.IntN(5) == 0 {
		t.Reply = model.Reply{}
		t.Error = &run.SampleError{Class: model.ClassTimeout, Attempts: 3}
		return run.Finished{Transcript: t}
	}
	return run.Finished{Transcript: t, Verdict: &run.Verdict{RunKey: crashKey, Transcript: id, ID: "rubric"}}
}

func holdUntilTold(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Close(ctx)
}

// childProcess is a child that is running.
type childProcess struct {
	*exec.Cmd
	stdin  io.Closer
	stdout *bufio.Scanner
	stderr *strings.Builder
}

// start starts this test binary as a child. The test waits for its end.
func start(t *testing.T, role, path string, round int) *childProcess {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childRole+"="+role, childPath+"="+path, childRound+"="+strconv.Itoa(round))
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	return &childProcess{Cmd: cmd, stdin: in, stdout: bufio.NewScanner(out), stderr: &stderr}
}
