// Package interceptor is what every call of the API goes through before and
// after its handler, on both transports: the REST gateway calls the same gRPC
// server.
//
// The steps stand in one list (Chain), outermost first, and serve unary and
// streaming calls alike.
package interceptor

import (
	"context"

	"google.golang.org/grpc"
)

// Call is what a step knows of a call.
type Call struct {
	// Method is the full method, such as "/unmask.v1.EvaluationService/GetRun".
	Method string
	// Stream is true for calls in which either side sends a stream.
	Stream bool
}

// Step is one link of the chain. Both functions may be nil.
type Step struct {
	// Name says what the step is for.
	Name string
	// Around wraps a whole call; next runs the rest of the chain.
	Around func(ctx context.Context, c Call, next func(context.Context) error) error
	// Message looks at each message that the client sends.
	Message func(ctx context.Context, c Call, msg any) error
}

// Unary makes one interceptor of the steps, for unary calls.
func Unary(steps []Step) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		c := Call{Method: info.FullMethod}
		var resp any
		err := around(ctx, c, steps, func(ctx context.Context) error {
			if err := inspect(ctx, c, steps, req); err != nil {
				return err
			}
			var err error
			resp, err = handler(ctx, req)
			return err
		})
		if err != nil {
			return nil, err
		}
		return resp, nil
	}
}

// Stream makes one interceptor of the steps, for streaming calls.
func Stream(steps []Step) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		c := Call{Method: info.FullMethod, Stream: true}
		return around(ss.Context(), c, steps, func(ctx context.Context) error {
			return handler(srv, &stream{ServerStream: ss, ctx: ctx, call: c, steps: steps})
		})
	}
}

func around(ctx context.Context, c Call, steps []Step, handler func(context.Context) error) error {
	if len(steps) == 0 {
		return handler(ctx)
	}
	rest := func(ctx context.Context) error { return around(ctx, c, steps[1:], handler) }
	if steps[0].Around == nil {
		return rest(ctx)
	}
	return steps[0].Around(ctx, c, rest)
}

func inspect(ctx context.Context, c Call, steps []Step, msg any) error {
	for _, s := range steps {
		if s.Message == nil {
			continue
		}
		if err := s.Message(ctx, c, msg); err != nil {
			return err
		}
	}
	return nil
}

// stream carries the context of the chain and inspects what is received.
type stream struct {
	grpc.ServerStream
	ctx   context.Context
	call  Call
	steps []Step
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream.
func (s *stream) RecvMsg(msg any) error {
	if err := s.ServerStream.RecvMsg(msg); err != nil {
		return err
	}
	return inspect(s.ctx, s.call, s.steps, msg)
}
