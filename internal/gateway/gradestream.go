package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/requestid"
)

// gradeStreamPath is where GradeTranscripts stands on this side.
const gradeStreamPath = "POST /v1/transcripts:gradeStream"

// linesAhead bounds how many lines may wait for their answers.
const linesAhead = 64

// gradeStream is GradeTranscripts as newline-delimited JSON. The generated
// handler ends such a stream at the first line that is not a request, and
// without a word; here a bad line is answered in its place, as the method
// promises, and the others go on.
func gradeStream(conn *grpc.ClientConn, limit int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Answers are written while the body is still read.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			writeStatus(w, http.StatusHTTPVersionNotSupported, withDetails(status.New(codes.Unimplemented, "this connection cannot stream both ways"), "UNKNOWN_METHOD"))
			return
		}
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(r.Context(), requestid.Header, r.Header.Get(requestid.Header)))
		defer cancel()
		stream, err := unmaskv1.NewGradingServiceClient(conn).GradeTranscripts(ctx)
		if err != nil {
			writeError(ctx, nil, nil, w, r, err)
			return
		}
		w.Header().Set("Content-Type", streamMedia)
		// A nil entry stands for a line that was sent on; its answer comes from
		// the stream, which keeps the order.
		pending := make(chan *unmaskv1.GradeTranscriptsResponse, linesAhead)
		go func() {
			defer close(pending)
			sendLines(ctx, r.Body, limit, stream, pending)
		}()
		if answerLines(w, stream, pending) {
			return
		}
		cancel()
		// A client that sends nothing more must not keep the reader; the
		// connection ends with it.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		for range pending { //nolint:revive // the reader has to end before the handler
		}
	})
}

// sendLines sends every line on, or queues the answer to one that is no request.
func sendLines(ctx context.Context, body io.Reader, limit int64, stream unmaskv1.GradingService_GradeTranscriptsClient, pending chan<- *unmaskv1.GradeTranscriptsResponse) {
	queue := func(answer *unmaskv1.GradeTranscriptsResponse) bool {
		select {
		case pending <- answer:
			return true
		case <-ctx.Done():
			return false
		}
	}
	lines := bufio.NewReaderSize(body, 64<<10)
	for {
		line, tooLong, err := readLine(lines, limit)
		if trimmed := bytes.TrimSpace(line); tooLong || len(trimmed) > 0 {
			req := &unmaskv1.GradeTranscriptsRequest{}
			bad := decodeLine(trimmed, tooLong, limit, req)
			if !queue(bad) {
				return
			}
			if bad == nil {
				if stream.Send(req) != nil {
					return
				}
			}
		}
		if err != nil {
			// Whatever ended the body, the answers to what came before are owed.
			_ = stream.CloseSend()
			return
		}
	}
}

// readLine returns the next line. Of one beyond the limit it keeps nothing.
func readLine(r *bufio.Reader, limit int64) (line []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if int64(len(line)+len(part)) > limit {
			line, tooLong = nil, true
		}
		if !tooLong {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

// decodeLine returns nil, or the answer to a line that is no request.
func decodeLine(line []byte, tooLong bool, limit int64, req *unmaskv1.GradeTranscriptsRequest) *unmaskv1.GradeTranscriptsResponse {
	if tooLong {
		st := invalid("REQUEST_TOO_LARGE", "line", "the line is longer than the limit of %d bytes", limit)
		return lineError("", unmaskv1.ErrorReason_ERROR_REASON_REQUEST_TOO_LARGE, st.Message(), "line")
	}
	err := protojson.Unmarshal(line, req)
	if err == nil {
		return nil
	}
	// The id is repeated where it can be read, so that the caller finds the line.
	var named struct {
		Subject struct {
			ID string `json:"id"`
		} `json:"subject"`
	}
	_ = json.Unmarshal(line, &named)
	reason, fields, message := decodeReason(err.Error())
	return lineError(named.Subject.ID, reason, message, fields...)
}

func lineError(id string, reason unmaskv1.ErrorReason, message string, fields ...string) *unmaskv1.GradeTranscriptsResponse {
	out := &unmaskv1.GradingError{Reason: reason, Message: message}
	for _, f := range fields {
		out.Violations = append(out.Violations, &unmaskv1.FieldViolation{Field: f, Description: message})
	}
	return &unmaskv1.GradeTranscriptsResponse{Id: id, Error: out}
}

// answerLines writes an answer for each line, in order, and reports whether it
// came to the end; otherwise the server or the client went away.
func answerLines(w http.ResponseWriter, stream unmaskv1.GradingService_GradeTranscriptsClient, pending <-chan *unmaskv1.GradeTranscriptsResponse) bool {
	flusher := http.NewResponseController(w)
	for answer := range pending {
		var err error
		if answer == nil {
			answer, err = stream.Recv()
		}
		if err != nil {
			writeLine(w, "error", status.Convert(err).Proto())
			return false
		}
		if !writeLine(w, "result", answer) {
			return false
		}
		if len(pending) == 0 {
			_ = flusher.Flush()
		}
	}
	return true
}

// writeLine writes one object with one field, and reports whether it was taken.
func writeLine(w io.Writer, field string, m proto.Message) bool {
	body, err := newMarshaler().MarshalOptions.Marshal(m)
	if err != nil {
		return false
	}
	_, err = w.Write(append(append([]byte(`{"`+field+`":`), body...), '}', '\n'))
	return err == nil
}
