package rpc

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/unmask-eval/unmask/internal/rpc/validate"
)

// A request with a text that is not valid UTF-8 fails inside of gRPC, before any
// interceptor and with INTERNAL, as if it were a fault of ours, and the error
// does not name the field. The wrappers below therefore have gRPC decode every
// request as an empty message, which takes any fields and keeps their bytes, and
// decode it themselves. Such a call then goes through the chain, is logged and
// counted like any other, and ends in a *DecodeError.

// undecodable stands in for a request that could not be decoded. It is no
// proto.Message, so the chain does not validate it.
type undecodable struct{}

// decoding returns a copy of a service's description that decodes requests
// itself.
func decoding(desc grpc.ServiceDesc) *grpc.ServiceDesc {
	desc.Methods = slices.Clone(desc.Methods)
	for i := range desc.Methods {
		desc.Methods[i].Handler = decodingUnary(desc.Methods[i].Handler)
	}
	desc.Streams = slices.Clone(desc.Streams)
	for i := range desc.Streams {
		handler := desc.Streams[i].Handler
		desc.Streams[i].Handler = func(srv any, ss grpc.ServerStream) error {
			return handler(srv, decodingStream{ss})
		}
	}
	return &desc
}

func decodingUnary(method grpc.MethodHandler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, decode func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
		var failed error
		receive := func(m any) error {
			var bytes emptypb.Empty
			if err := decode(&bytes); err != nil {
				return err
			}
			failed = unmarshal(&bytes, m)
			return nil
		}
		return method(srv, ctx, receive, func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if failed != nil {
				req = undecodable{}
				handler = func(context.Context, any) (any, error) { return nil, failed }
			}
			if chain == nil {
				return handler(ctx, req)
			}
			return chain(ctx, req, info, handler)
		})
	}
}

type decodingStream struct{ grpc.ServerStream }

// RecvMsg implements grpc.ServerStream. It validates as well: the chain, which
// is further in, has seen nothing but bytes.
func (s decodingStream) RecvMsg(m any) error {
	var bytes emptypb.Empty
	if err := s.ServerStream.RecvMsg(&bytes); err != nil {
		return err
	}
	if err := unmarshal(&bytes, m); err != nil {
		return err
	}
	if msg, ok := m.(proto.Message); ok {
		return validate.Request(msg)
	}
	return nil
}

// unmarshal decodes the bytes that an empty message kept.
func unmarshal(bytes *emptypb.Empty, m any) error {
	msg, ok := m.(proto.Message)
	if !ok {
		return fmt.Errorf("decode: %T is not a message", m)
	}
	data := bytes.ProtoReflect().GetUnknown()
	if err := proto.Unmarshal(data, msg); err != nil {
		if field := invalidText(msg.ProtoReflect().Descriptor(), data); field != "" {
			return &DecodeError{Field: field, Problem: "must be valid UTF-8"}
		}
		return &DecodeError{Problem: "it is not a message of this method's type"}
	}
	return nil
}

// invalidText returns the path of the first text in an encoded message that is
// not valid UTF-8, or "". It goes as deep as the definition of the message, and
// no message of the API holds itself.
func invalidText(m protoreflect.MessageDescriptor, data []byte) string {
	items := map[protowire.Number]int{}
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return ""
		}
		size := protowire.ConsumeFieldValue(number, kind, data[n:])
		if size < 0 {
			return ""
		}
		value := data[n : n+size]
		data = data[n+size:]
		fd := m.Fields().ByNumber(number)
		if fd == nil || kind != protowire.BytesType {
			continue
		}
		content, _ := protowire.ConsumeBytes(value)
		path := string(fd.Name())
		if fd.IsList() {
			path = fmt.Sprintf("%s[%d]", path, items[number])
			items[number]++
		}
		switch {
		case fd.Kind() == protoreflect.StringKind && !utf8.Valid(content):
			return path
		case fd.Kind() == protoreflect.MessageKind:
			if inner := invalidText(fd.Message(), content); inner != "" {
				return path + "." + inner
			}
		}
	}
	return ""
}
