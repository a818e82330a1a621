package interceptor

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/unmask-eval/unmask/internal/rpc/requestid"
)

// Deps are what the chain works with; all are required.
type Deps struct {
	Log *zap.Logger
	// Count is told of each call when it ends.
	Count func(method, code string, took time.Duration)
	// Status turns any error into one with a gRPC status; a status stays as it is.
	Status func(ctx context.Context, err error) error
	// Validate returns nil or an error that names every wrong field.
	Validate func(msg proto.Message) error
	// TooLarge is the error for a message of size bytes.
	TooLarge func(size, limit int) error
	// Timeout bounds unary calls that bring no earlier deadline.
	Timeout time.Duration
	// MaxBytes bounds one message.
	MaxBytes int
	// MaxStreams bounds the streams that are open at once.
	MaxStreams int
	// TooMany is the error for one more.
	TooMany func(limit int) error
}

// Chain returns the steps of every call, outermost first.
func Chain(d Deps) []Step {
	return []Step{
		{Name: "request-id", Around: requestID},
		{Name: "logging", Around: d.logging},
		{Name: "metrics", Around: d.metrics},
		{Name: "status", Around: d.status},
		{Name: "recovery", Around: d.recovery},
		{Name: "stream-limit", Around: streamLimit(d.MaxStreams, d.TooMany)},
		{Name: "deadline", Around: d.deadline},
		{Name: "size-limit", Message: d.size},
		{Name: "validation", Message: d.validate},
	}
}

// requestID takes the caller's id, or makes one, and sends it back.
func requestID(ctx context.Context, _ Call, next func(context.Context) error) error {
	var proposed string
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		if ids := md.Get(requestid.Header); len(ids) > 0 {
			proposed = ids[0]
		}
	}
	ctx, id := requestid.With(ctx, proposed)
	// It fails only when headers are sent already, and none are so early.
	_ = grpc.SetHeader(ctx, metadata.Pairs(requestid.Header, id))
	return next(ctx)
}

// logging writes one line for each call: names, code and time, never content.
func (d Deps) logging(ctx context.Context, c Call, next func(context.Context) error) error {
	began := time.Now()
	err := next(ctx)
	code := status.Code(err)
	level := zap.InfoLevel
	switch code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		level = zap.ErrorLevel
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded:
		level = zap.WarnLevel
	}
	d.Log.Log(level, "call", zap.String("method", c.Method), zap.Stringer("code", code),
		zap.Duration("took", time.Since(began)), zap.String("request_id", requestid.From(ctx)))
	return err
}

func (d Deps) metrics(ctx context.Context, c Call, next func(context.Context) error) error {
	began := time.Now()
	err := next(ctx)
	d.Count(c.Method, status.Code(err).String(), time.Since(began))
	return err
}

// status turns errors of the domain into statuses, and logs the cause of those
// that the caller is told nothing about.
func (d Deps) status(ctx context.Context, c Call, next func(context.Context) error) error {
	err := next(ctx)
	if err == nil {
		return nil
	}
	out := d.Status(ctx, err)
	if status.Code(out) == codes.Internal {
		d.Log.Error("internal error", zap.String("method", c.Method),
			zap.String("request_id", requestid.From(ctx)), zap.String("cause", err.Error()))
	}
	return out
}

// recovery turns a panic into an error, with the stack in it for the log.
func (d Deps) recovery(ctx context.Context, _ Call, next func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			// The value of a panic may quote what was being handled, so only its type is kept.
			err = fmt.Errorf("panic of type %T\n%s", r, debug.Stack())
		}
	}()
	return next(ctx)
}

// streamLimit refuses a stream beyond most. Each holds a goroutine and what the
// transport buffers for it, however slow its client is. Health checks are let through.
func streamLimit(most int, tooMany func(int) error) func(context.Context, Call, func(context.Context) error) error {
	open := make(chan struct{}, most)
	return func(ctx context.Context, c Call, next func(context.Context) error) error {
		if !c.Stream || strings.HasPrefix(c.Method, "/grpc.health.") {
			return next(ctx)
		}
		select {
		case open <- struct{}{}:
			defer func() { <-open }()
			return next(ctx)
		default:
			return tooMany(most)
		}
	}
}

// deadline gives unary calls a deadline; streams last as long as they need.
func (d Deps) deadline(ctx context.Context, c Call, next func(context.Context) error) error {
	if c.Stream {
		return next(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	return next(ctx)
}

func (d Deps) size(_ context.Context, _ Call, msg any) error {
	if m, ok := msg.(proto.Message); ok {
		if n := proto.Size(m); n > d.MaxBytes {
			return d.TooLarge(n, d.MaxBytes)
		}
	}
	return nil
}

func (d Deps) validate(_ context.Context, _ Call, msg any) error {
	if m, ok := msg.(proto.Message); ok {
		return d.Validate(m)
	}
	return nil
}
