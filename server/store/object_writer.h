// Puts the large pictures of a batch where they are kept, before the rows that name them are written.
#ifndef MIND_SERVER_STORE_OBJECT_WRITER_H_
#define MIND_SERVER_STORE_OBJECT_WRITER_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/object_store.h"
#include "server/store/store_batch.h"

namespace mind::server {

// Which of a batch's pictures are objects, by their jobs and bytes: two jobs may have the same bytes.
class BatchObjects {
 public:
  void Add(const std::string& job_id, const std::string& data, StoredObject object) {
    objects_[{job_id, &data}] = std::move(object);
  }
  // Null: it lies with its row.
  const StoredObject* Find(const std::string& job_id, const std::string& data) const {
    const auto found = objects_.find({job_id, &data});
    return found == objects_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::pair<std::string, const std::string*>, StoredObject> objects_;
};

// Belongs to one thread, but for GiveUp.
class ObjectWriter {
 public:
  // `objects`, if any, must outlive it. Null: all pictures lie with their rows.
  explicit ObjectWriter(ObjectStore* objects);

  // Waits until all of them are there. The same batch again does the same. Errors: see ObjectStore.
  absl::StatusOr<BatchObjects> Put(const StoreBatch& batch);
  // That no row names any more. Does not wait.
  void Delete(const std::vector<std::string>& keys);
  // Nothing is waited for any more. From any thread.
  void GiveUp();

 private:
  struct Waiting;

  ObjectStore* const objects_;
  const std::shared_ptr<Waiting> waiting_;  // answers may come after this has gone
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_OBJECT_WRITER_H_
