package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/requestid"
)

// importLabelsPath is where ImportLabels stands on this side.
const importLabelsPath = "POST /v1/labelSets:import"

// pieceBytes is how much of a file goes into one message.
const pieceBytes = 64 << 10

// importLabels is ImportLabels with the file itself as the body and the other
// fields as query parameters. The generated handler would want the file in
// base64 inside of JSON.
func importLabels(conn *grpc.ClientConn) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(r.Context(), requestid.Header, r.Header.Get(requestid.Header)))
		defer cancel()
		fail := func(err error) { writeError(ctx, nil, nil, w, r, err) }
		first, err := importRequest(r)
		if err != nil {
			fail(err)
			return
		}
		stream, err := unmaskv1.NewGradingServiceClient(conn).ImportLabels(ctx)
		if err != nil {
			fail(err)
			return
		}
		if err := sendPieces(stream, first, r.Body); err != nil {
			writeStatus(w, http.StatusBadRequest, invalid("MALFORMED_REQUEST", "body", "the request body could not be read"))
			return
		}
		resp, err := stream.CloseAndRecv()
		if err != nil {
			fail(err)
			return
		}
		body, err := newMarshaler().Marshal(resp)
		if err != nil {
			fail(status.Error(codes.Internal, "the answer could not be written"))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
}

// importRequest reads the query parameters.
func importRequest(r *http.Request) (*unmaskv1.ImportLabelsRequest, error) {
	req := &unmaskv1.ImportLabelsRequest{}
	values := r.URL.Query()
	var err error
	if values.Has("jsonl") {
		err = errors.New(`unknown query parameter "jsonl"`)
	} else {
		err = strictQuery{}.Parse(req, values, utilities.NewDoubleArray(nil))
	}
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return req, nil
}

// sendPieces sends the body on. Its error is one of reading; when the server has
// ended the stream, its answer says why.
func sendPieces(stream unmaskv1.GradingService_ImportLabelsClient, req *unmaskv1.ImportLabelsRequest, body io.Reader) error {
	for buffer := make([]byte, pieceBytes); ; {
		n, err := io.ReadFull(body, buffer)
		req.Jsonl = buffer[:n]
		if stream.Send(req) != nil {
			return nil //nolint:nilerr // CloseAndRecv tells
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
		req = &unmaskv1.ImportLabelsRequest{}
	}
}
