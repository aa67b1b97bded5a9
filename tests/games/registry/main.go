// registry serves image archives (as `docker save` writes them) for pulls, and can be slow, broken or private.
//
//	registry [--listen ADDRESS] [--rate BYTES] [--fail N] [--user NAME --password TEXT] ARCHIVE...
//
// An archive's image NAME:TAG is pulled as ADDRESS/NAME:TAG. GET /counts answers how often what was asked for, as JSON;
// POST /fail?n=N makes the next N requests for layers fail.
package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	configType   = "application/vnd.docker.container.image.v1+json"
	layerType    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

type registry struct {
	manifests      map[string][]byte // by "name:tag" and "name@digest"
	blobs          map[string][]byte // by digest
	layers         map[string]bool   // which digests are layers
	rate           int
	user, password string

	mutex  sync.Mutex
	fail   int
	counts map[string]int
}

func main() {
	listen := flag.String("listen", "127.0.0.1:5000", "`address` to listen on")
	rate := flag.Int("rate", 0, "`bytes` a second and layer, 0 for no limit")
	fail := flag.Int("fail", 0, "the first `n` requests for layers get 500")
	user := flag.String("user", "", "`name` that every request must carry, with --password")
	password := flag.String("password", "", "`text`")
	flag.Parse()
	r := &registry{
		manifests: map[string][]byte{}, blobs: map[string][]byte{}, layers: map[string]bool{}, counts: map[string]int{},
		rate: *rate, fail: *fail, user: *user, password: *password,
	}
	for _, archive := range flag.Args() {
		if err := r.load(archive); err != nil {
			log.Fatalf("%s: %v", archive, err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counts", r.serveCounts)
	mux.HandleFunc("POST /fail", r.setFail)
	mux.HandleFunc("/v2/", r.serveImage)
	log.Fatal(http.ListenAndServe(*listen, mux))
}

func (r *registry) load(archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	entries := map[string][]byte{}
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if entries[header.Name], err = io.ReadAll(reader); err != nil {
			return err
		}
	}
	var images []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(entries["manifest.json"], &images); err != nil {
		return fmt.Errorf("manifest.json: %w", err)
	}
	for _, image := range images {
		layers := []map[string]any{}
		for _, layer := range image.Layers {
			described := r.addBlob(layerType, entries[layer])
			r.layers[described["digest"].(string)] = true
			layers = append(layers, described)
		}
		manifest, err := json.Marshal(map[string]any{
			"schemaVersion": 2, "mediaType": manifestType, "config": r.addBlob(configType, entries[image.Config]), "layers": layers,
		})
		if err != nil {
			return err
		}
		for _, tag := range image.RepoTags {
			name, _, _ := strings.Cut(tag, ":")
			r.manifests[tag] = manifest
			r.manifests[name+"@"+digest(manifest)] = manifest
			log.Printf("serving %s, %d layers", tag, len(layers))
		}
	}
	return nil
}

func (r *registry) addBlob(mediaType string, content []byte) map[string]any {
	name := digest(content)
	r.blobs[name] = content
	return map[string]any{"mediaType": mediaType, "size": len(content), "digest": name}
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (r *registry) serveImage(w http.ResponseWriter, request *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if r.user != "" {
		user, password, ok := request.BasicAuth()
		if !ok || user != r.user || password != r.password {
			r.count("unauthorized")
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
			return
		}
	}
	path := strings.TrimPrefix(request.URL.Path, "/v2/")
	if path == "" {
		return
	}
	if name, reference, ok := strings.Cut(path, "/manifests/"); ok {
		r.count("manifests")
		key := name + ":" + reference
		if strings.HasPrefix(reference, "sha256:") {
			key = name + "@" + reference
		}
		manifest, ok := r.manifests[key]
		if !ok {
			refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
			return
		}
		w.Header().Set("Content-Type", manifestType)
		w.Header().Set("Docker-Content-Digest", digest(manifest))
		w.Header().Set("Content-Length", strconv.Itoa(len(manifest)))
		if request.Method != http.MethodHead {
			_, _ = w.Write(manifest)
		}
		return
	}
	if _, reference, ok := strings.Cut(path, "/blobs/"); ok {
		blob, ok := r.blobs[reference]
		if !ok {
			refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown")
			return
		}
		if !r.layers[reference] {
			r.count("configs")
			w.Header().Set("Content-Length", strconv.Itoa(len(blob)))
			_, _ = w.Write(blob)
			return
		}
		r.count("layers")
		if r.takeFailure() {
			refuse(w, http.StatusInternalServerError, "UNKNOWN", "told to fail")
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(blob)))
		r.writeSlowly(w, request, blob)
		return
	}
	refuse(w, http.StatusNotFound, "UNSUPPORTED", "only pulls are served")
}

// writeSlowly keeps to the rate in steps of a tenth of a second, and stops when the client goes.
func (r *registry) writeSlowly(w http.ResponseWriter, request *http.Request, blob []byte) {
	if r.rate <= 0 {
		_, _ = w.Write(blob)
		return
	}
	step := max(r.rate/10, 1)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for len(blob) > 0 {
		n := min(step, len(blob))
		if _, err := w.Write(blob[:n]); err != nil {
			return
		}
		blob = blob[n:]
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		select {
		case <-tick.C:
		case <-request.Context().Done():
			return
		}
	}
}

func (r *registry) count(what string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.counts[what]++
}

func (r *registry) takeFailure() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.fail == 0 {
		return false
	}
	r.fail--
	return true
}

func (r *registry) serveCounts(w http.ResponseWriter, _ *http.Request) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r.counts)
}

func (r *registry) setFail(w http.ResponseWriter, request *http.Request) {
	n, err := strconv.Atoi(request.URL.Query().Get("n"))
	if err != nil || n < 0 {
		http.Error(w, "n is a number", http.StatusBadRequest)
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.fail = n
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}
