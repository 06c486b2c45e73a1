// Package run carries out any run: it begins it, stages its pages in lanes, has the
// lanes written, and ends it. The packages of the flows use it; each supplies only
// what it reads and how it writes.
package run
