package run

import (
	"context"
	"time"

	"causeway.dev/internal/campaign"
)

// FileServer is what egress needs of Campaign's file server.
type FileServer interface {
	List(ctx context.Context, folder string) ([]campaign.RemoteFile, error)
	Download(ctx context.Context, file campaign.RemoteFile, dest string) (*campaign.Downloaded, error)
	Move(ctx context.Context, from, to string) error
	Remove(ctx context.Context, file string) error
	EnsureFolder(ctx context.Context, folder string) error
}

// Processed is the folder, beside the files, that read ones are moved to.
const Processed = "processed"

const (
	RowsPerPage = 2000
	TidyEvery   = time.Hour // looks at what was moved away
)
