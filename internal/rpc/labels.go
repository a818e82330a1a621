package rpc

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
)

// LabelUseCases keep labelled transcripts.
type LabelUseCases interface {
	CreateLabelSet(ctx context.Context, project string, in run.NewLabelSet, items []calibration.Item) (run.LabelSet, error)
	// ImportLabels reads a file of labels; ignored counts the keys that are not
	// known.
	ImportLabels(ctx context.Context, project string, in run.NewLabelSet, r io.Reader) (l run.LabelSet, ignored map[string]int, err error)
	GetLabelSet(ctx context.Context, project, id string) (run.LabelSet, error)
	ListLabelSets(ctx context.Context, project string, p run.Page) (items []run.LabelSet, next string, err error)
	DeleteLabelSet(ctx context.Context, project, id string) error
	ListLabels(ctx context.Context, project, labelSet string, p run.Page) (items []calibration.Item, next string, err error)
}

// CreateLabelSet implements unmaskv1.GradingServiceServer.
func (s *gradingService) CreateLabelSet(ctx context.Context, req *unmaskv1.CreateLabelSetRequest) (*unmaskv1.LabelSet, error) {
	in := req.GetLabelSet()
	l, err := s.use.CreateLabelSet(ctx, s.project(ctx), run.NewLabelSet{
		ID: req.GetLabelSetId(), DisplayName: in.GetDisplayName(), Rule: complianceRules.domain(in.GetComplianceRule()), RequestID: req.GetRequestId(),
	}, each(in.GetLabels(), fromLabel))
	if err != nil {
		return nil, under("label_set", err)
	}
	return toLabelSet(l), nil
}

// ImportLabels implements unmaskv1.GradingServiceServer.
func (s *gradingService) ImportLabels(stream grpc.ClientStreamingServer[unmaskv1.ImportLabelsRequest, unmaskv1.ImportLabelsResponse]) error {
	ctx := stream.Context()
	first, err := stream.Recv()
	if err != nil && err != io.EOF { //nolint:errorlint // gRPC returns it bare
		return err
	}
	l, ignored, err := s.use.ImportLabels(ctx, s.project(ctx), run.NewLabelSet{
		ID: first.GetLabelSetId(), DisplayName: first.GetDisplayName(), Rule: complianceRules.domain(first.GetComplianceRule()), RequestID: first.GetRequestId(),
	}, &pieces{stream: stream, rest: first.GetJsonl(), ended: err != nil})
	if err != nil {
		return err
	}
	out := &unmaskv1.ImportLabelsResponse{LabelSet: toLabelSet(l), IgnoredKeys: map[string]int32{}}
	for key, n := range ignored {
		out.IgnoredKeys[clean(key)] += count(n)
	}
	return stream.SendAndClose(out)
}

// pieces reads a file from the messages that it comes in.
type pieces struct {
	stream grpc.ClientStreamingServer[unmaskv1.ImportLabelsRequest, unmaskv1.ImportLabelsResponse]
	rest   []byte
	ended  bool
}

// Read implements io.Reader.
func (p *pieces) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.ended {
			return 0, io.EOF
		}
		req, err := p.stream.Recv()
		if err != nil {
			return 0, err
		}
		p.rest = req.GetJsonl()
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// GetLabelSet implements unmaskv1.GradingServiceServer.
func (s *gradingService) GetLabelSet(ctx context.Context, req *unmaskv1.GetLabelSetRequest) (*unmaskv1.LabelSet, error) {
	id, _ := resource.LabelSet(req.GetName())
	l, err := s.use.GetLabelSet(ctx, s.project(ctx), id)
	if err != nil {
		return nil, err
	}
	return toLabelSet(l), nil
}

// ListLabelSets implements unmaskv1.GradingServiceServer.
func (s *gradingService) ListLabelSets(ctx context.Context, req *unmaskv1.ListLabelSetsRequest) (*unmaskv1.ListLabelSetsResponse, error) {
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	items, next, err := s.use.ListLabelSets(ctx, s.project(ctx), p)
	if err != nil {
		return nil, err
	}
	return &unmaskv1.ListLabelSetsResponse{LabelSets: each(items, toLabelSet), NextPageToken: page.Token(s.project(ctx), req, next)}, nil
}

// DeleteLabelSet implements unmaskv1.GradingServiceServer.
func (s *gradingService) DeleteLabelSet(ctx context.Context, req *unmaskv1.DeleteLabelSetRequest) (*emptypb.Empty, error) {
	id, _ := resource.LabelSet(req.GetName())
	if err := s.use.DeleteLabelSet(ctx, s.project(ctx), id); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ListLabels implements unmaskv1.GradingServiceServer. As in listFull, a page
// ends early when it is large.
func (s *gradingService) ListLabels(ctx context.Context, req *unmaskv1.ListLabelsRequest) (*unmaskv1.ListLabelsResponse, error) {
	id, _ := resource.LabelSet(req.GetParent())
	p, err := page.Read(s.project(ctx), req)
	if err != nil {
		return nil, err
	}
	out := &unmaskv1.ListLabelsResponse{}
	for bytes := 0; ; {
		items, next, err := s.use.ListLabels(ctx, s.project(ctx), id, run.Page{Size: min(p.Size-len(out.GetLabels()), pageStep), After: p.After})
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			label := toLabel(item)
			bytes += proto.Size(label)
			out.Labels = append(out.Labels, label)
		}
		if next == "" || len(out.GetLabels()) >= p.Size || bytes >= pageBytes {
			out.NextPageToken = page.Token(s.project(ctx), req, next)
			return out, nil
		}
		p.After = next
	}
}
