#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/byte_source.h"
#include "base/ids.h"
#include "base/index.h"
#include "blobstore/blob_row.h"

namespace waypost::blobstore {

class Pin;

// Bytes that hash to `id` and are where they will stay: an inline blob in memory, to be written
// with its row, or a file that is durable under its name. Nothing says yet that the blob is here:
// the caller installs it in an index transaction. If that never happens the file is adopted by
// reconciliation. Ends before its store.
struct StagedBlob {
  base::BlobId id;
  uint64_t size_bytes = 0;
  Placement placement = Placement::kFile;
  std::string inline_bytes;
  // While it lasts, nobody who removes another row of this blob takes the file with it.
  std::shared_ptr<Pin> pin = nullptr;
};

// One blob on its way in. One thread. Destroyed without Finish: a put leaves nothing; a fetch keeps
// its partial file, cut back to what may be trusted.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // Bytes that were here already (a resumed fetch): the next Append goes there.
  virtual uint64_t offset() const = 0;
  // kOutOfRange for more bytes than announced; IsNoSpace when the disk is full.
  virtual absl::Status Append(std::string_view data) = 0;
  // Checks length and hash, makes the bytes durable. Without `expected` the id is what they hash
  // to. IsDigestMismatch: nothing is kept. kFailedPrecondition: fewer bytes than announced, or
  // ended before.
  virtual absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) = 0;
  // Gives up and removes what was written, partial file included.
  virtual void Discard() = 0;

  // Finish in two steps, of which BlobStore::FinishTogether makes use: with one sync of the file
  // system after the first of all of them, and one of folders after the second of all of them.
  // First: checks length and hash, writes what is still held back. With a value it has ended as
  // after Finish; nullopt: a verified file, which waits for the sync and then for Place.
  virtual absl::StatusOr<std::optional<StagedBlob>> FinishBytes(const base::BlobId& expected) {
    auto staged = Finish(expected);
    if (!staged.ok()) return staged.status();
    return std::optional<StagedBlob>(*std::move(staged));
  }
  // Second: gives the file its name. kFailedPrecondition: it has ended already.
  virtual absl::StatusOr<StagedBlob> Place(const base::BlobId&) {
    return absl::FailedPreconditionError("it has ended already");
  }
};

// A fetched blob all of whose bytes were appended.
struct ArrivedBlob {
  std::unique_ptr<BlobWriter> writer;
  base::BlobId expected;
};

// Blob bytes of this peer: where they are, how they get there, how they are read. Thread-safe. The
// rows of `blobs` are changed by syncgroup's Ledger alone; this room offers what such a transaction
// needs.
class BlobStore {
 public:
  virtual ~BlobStore() = default;

  // Announces `size_bytes` against the free-space floor until the writer is gone. IsNoSpace below
  // store.min_free; kOutOfRange over store.max_blob. Both name the setting. nullopt: nobody knows
  // yet; room is taken as the bytes come, and Append answers as this would.
  virtual absl::StatusOr<std::unique_ptr<BlobWriter>> StartPut(
      std::optional<uint64_t> size_bytes) = 0;
  // As StartPut for a blob from a peer. A partial file left by an earlier try is continued, and
  // read to be hashed, which blocks: see BlobWriter::offset(). `size_bytes` is the size of the
  // whole blob. At most one writer a blob: kFailedPrecondition for a second.
  virtual absl::StatusOr<std::unique_ptr<BlobWriter>> StartFetch(const base::BlobId& blob,
                                                                 uint64_t size_bytes) = 0;
  // As BlobWriter::Finish for each, in their order: many files are made durable together, for the
  // price of one sync of their file system. Where that fails, all of them have failed.
  virtual std::vector<absl::StatusOr<StagedBlob>> FinishTogether(
      std::vector<ArrivedBlob> arrived) = 0;
  // Bytes of it in `partial/`, 0 for none. What a fetch asks a range from.
  virtual uint64_t PartialBytes(const base::BlobId& blob) = 0;
  // While a writer has it: when that is destroyed without Finish.
  virtual void DropPartial(const base::BlobId& blob) = 0;

  // kNotFound: no row here. kDataLoss: a row, but its file is missing or has another length, or its
  // inline bytes do not hash to the id; reported to the loss handler.
  virtual absl::StatusOr<std::unique_ptr<base::ByteSource>> Open(const base::BlobId& blob) = 0;

  // Inside the transaction that makes the blob known: fills size, placement, stored and verified of
  // `row` and writes inline bytes. What `row` says of an older placement is replaced.
  virtual void Install(base::WriteTxn& txn, const StagedBlob& staged, BlobRow& row) = 0;
  // Inside the transaction that removes the row: removes inline bytes; a file goes to `trash/`
  // after the commit, unless a staged blob of that id waits to be installed.
  virtual void Uninstall(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow& row) = 0;
  // Inside the transaction that decided not to install it: gives up what only `staged` needs. The
  // bytes of a row, and of others that are staged, stay.
  virtual void Discard(base::WriteTxn& txn, const StagedBlob& staged) = 0;
  // Before that transaction: has the blob a row whose bytes are whole, as `staged` is? Reads what
  // nobody has looked at.
  virtual bool WholeHere(const StagedBlob& staged) = 0;
  // Would the bytes of `row`, which are whole, have to give way to `staged`? True where otherwise
  // a file would be left without a row.
  virtual bool Supersedes(const StagedBlob& staged, const BlobRow& row) const = 0;

  // What is in memory until its row is written: blobs of at most so many bytes.
  virtual uint64_t inline_max_bytes() const = 0;

  // OK, or IsNoSpace with the reason, for `size_bytes` more. Looks at the disk at most once a
  // second.
  virtual absl::Status CheckSpace(uint64_t size_bytes) = 0;
  // Does the disk take a few bytes and make them durable? Asked where it would not take a blob, to
  // tell an ill disk from an ill place on it. Blocks as long as the disk does.
  virtual absl::Status CheckDisk() = 0;
};

}  // namespace waypost::blobstore
