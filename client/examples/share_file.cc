#include <fcntl.h>
#include <unistd.h>
#include <waypost/client.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>

// Puts a file into a group of the service on this machine and reads it back:
//   share_file DATA_FOLDER GROUP FILE

using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
namespace client = waypost::client;

namespace {

int Fail(const std::string& doing, const client::Error& error) {
  std::cerr << doing << ": " << client::NameOf(error.kind) << ": " << error.message << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  // Started with one of the first three descriptors closed, its connection would become that one,
  // and what is printed would go into it.
  while (true) {
    const int lowest = ::open("/dev/null", O_RDWR);
    if (lowest > 2) ::close(lowest);
    if (lowest < 0 || lowest > 2) break;
  }
  if (argc != 4) {
    std::cerr << "share_file DATA_FOLDER GROUP FILE\n";
    return 2;
  }
  const std::string data = argv[1], group_name = argv[2];
  const std::filesystem::path file = argv[3];
  const auto service = client::Client::OfDataFolder(data);
  if (!service.ok()) return Fail("finding the service", service.error());

  // The group of that name; made if there is none.
  std::string group;
  const auto looked = client::ForEach(
      [&](const client::PageRequest& page) { return service->ListGroups(page, 10s); },
      [&](const client::Group& each) {
        if (each.name == group_name) group = each.id;
        return group.empty();
      });
  if (!looked.ok()) return Fail("listing groups", looked.error());
  if (group.empty()) {
    const auto made = service->CreateGroup({.name = group_name}, 10s);
    if (!made.ok()) return Fail("making the group", made.error());
    group = made->id;
  }

  const std::string key = file.filename().string();
  const auto put = service->PutFile(file, {.group = group, .key = key}, 10min);
  if (!put.ok()) return Fail("putting " + key, put.error());
  std::cout << key << " is blob " << put->id << " of " << put->size_bytes << " bytes"
            << (put->was_here ? ", which was here" : "") << "\n";

  // Verified against its id before it takes its place.
  const std::filesystem::path copy = file.string() + ".copy";
  const auto got = service->GetFile(put->id, copy, {}, 10min);
  if (!got.ok()) return Fail("reading it back", got.error());
  std::cout << copy.string() << " has " << got->bytes << " bytes\n";
  return 0;
}
