#include "container/store.h"

#include <fcntl.h>

#include <vector>

#include "tests/unit/container/support.h"

namespace gabion::container {
namespace {

using testing::eventually;
using testing::Forked;
using testing::Gate;
using testing::nap;
using testing::Scratch;
using testing::sleep_for_ever;

class StoreTest : public ::testing::Test {
 protected:
  Store open() {
    Result<Store> store = Store::open(root_ / "state");
    EXPECT_TRUE(store.ok());
    return std::move(store).value();
  }
  static void make(const Store& store, const std::string& id) {
    Result<Reservation> reservation = store.reserve(id);
    ASSERT_TRUE(reservation.ok());
    State state;
    state.id = id;
    state.bundle = "/b";
    state.phase = ContainerStatus::kCreated;
    ASSERT_TRUE(store.save(state).ok());
    reservation->commit();
  }
  static bool exists(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
  }
  Scratch root_;
};

TEST_F(StoreTest, ChecksIds) {
  for (const char* good : {"a", "A-b_c.d+e", "..a", "0"}) EXPECT_TRUE(check_id(good).ok()) << good;
  for (const char* bad : {".", "..", "a/b", "a b", "a~", "\xc3\xa9", "a\n"}) {
    EXPECT_EQ(check_id(bad).error().message(), "invalid container ID format") << bad;
  }
  EXPECT_EQ(check_id("").error().message(), "container id cannot be empty");
  EXPECT_TRUE(check_id(std::string(1024, 'a')).ok());
  EXPECT_FALSE(check_id(std::string(1025, 'a')).ok());
  EXPECT_EQ(open().load("../state").error().code, Code::kInvalid);
}

TEST_F(StoreTest, MakesItsRootPrivateAndRefusesAnOpenOne) {
  open();
  struct stat info {};
  ASSERT_EQ(::stat((root_ / "state").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
  ASSERT_EQ(::chmod((root_ / "state").c_str(), 0770), 0);
  EXPECT_EQ(Store::open(root_ / "state").error().code, Code::kRefused);
}

TEST_F(StoreTest, SixteenRacersOneWinner) {
  const Store store = open();
  Gate gate;
  std::vector<Forked> racers;
  for (int i = 0; i < 16; ++i) {
    racers.emplace_back([&] {
      gate.wait();
      Result<Reservation> mine = store.reserve("c1");
      if (!mine.ok()) {
        return mine.error().code == Code::kExists &&
                       mine.error().message() == "container with given ID already exists"
                   ? 0
                   : 100;
      }
      mine->commit();
      return 1;
    });
  }
  gate.open();
  int winners = 0;
  for (Forked& racer : racers) winners += racer.wait();
  EXPECT_EQ(winners, 1);
}

TEST_F(StoreTest, AReservationNotCommittedLeavesNothing) {
  const Store store = open();
  {
    const Result<Reservation> reservation = store.reserve("c1");
    ASSERT_TRUE(reservation.ok());
    EXPECT_TRUE(*store.is_locked("c1"));
    EXPECT_EQ(store.reserve("c1").error().code, Code::kExists);
  }
  EXPECT_EQ(store.load("c1").error().message(), "container does not exist");
  EXPECT_TRUE(store.ids()->empty());
  EXPECT_TRUE(store.reserve("c1").ok());
}

TEST_F(StoreTest, SavesLoadsAndErases) {
  const Store store = open();
  make(store, "c1");
  make(store, "c2");
  EXPECT_EQ(*store.ids(), (std::vector<std::string>{"c1", "c2"}));
  const Result<State> state = store.load("c1");
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->bundle, "/b");
  ASSERT_TRUE(store.write_entry("c1", "config.json", "{}").ok());
  EXPECT_EQ(*store.read_entry("c1", "config.json", 10), "{}");
  struct stat info {};
  ASSERT_EQ(::stat((store.directory("c1") + "/config.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  ASSERT_TRUE(store.erase("c1").ok());
  ASSERT_TRUE(store.erase("c1").ok());
  EXPECT_EQ(*store.ids(), (std::vector<std::string>{"c2"}));
  EXPECT_EQ(store.lock("c1").error().code, Code::kNotFound);
}

TEST_F(StoreTest, DamagedStateReadsAsUnfinished) {
  const Store store = open();
  make(store, "c1");
  for (const char* text : {"", "{", "[]", "{\"version\":1}", "{\"version\":2,\"id\":\"c1\"}"}) {
    ASSERT_TRUE(store.write_entry("c1", "state.json", text).ok());
    const Result<State> state = store.load("c1");
    ASSERT_TRUE(state.ok()) << text;
    EXPECT_EQ(state->id, "c1");
    EXPECT_EQ(state->phase, ContainerStatus::kCreating);
    EXPECT_EQ(state->init_pid, 0);
    EXPECT_FALSE(state->created.empty());
  }
}

TEST_F(StoreTest, AnotherRuntimesContainerIsNotOurs) {
  const Store store = open();
  ASSERT_TRUE(make_directories(store.directory("runc1"), 0711).ok());
  ASSERT_TRUE(write_file_atomic(store.directory("runc1") + "/state.json", "{}", 0600).ok());
  EXPECT_TRUE(store.ids()->empty());
  EXPECT_EQ(store.load("runc1").error().code, Code::kNotFound);
  EXPECT_EQ(store.lock("runc1").error().code, Code::kNotFound);
  ASSERT_TRUE(store.erase("runc1").ok());
  EXPECT_TRUE(exists(store.directory("runc1") + "/state.json"));
  EXPECT_EQ(store.reserve("runc1").error().code, Code::kExists);
}

TEST_F(StoreTest, AHalfRemovedContainerIsNoContainerAndIsClearedLater) {
  const Store store = open();
  make(store, "c1");
  // As erase() leaves it when it is killed after the rename.
  ASSERT_EQ(::rename(store.directory("c1").c_str(), ((root_ / "state") + "/~1.2.3").c_str()), 0);
  EXPECT_TRUE(store.ids()->empty());
  EXPECT_TRUE(store.reserve("c1").ok());
  make(store, "c2");
  ASSERT_TRUE(store.erase("c2").ok());
  EXPECT_FALSE(exists((root_ / "state") + "/~1.2.3"));
}

TEST_F(StoreTest, ALockDiesWithItsHolder) {
  const Store store = open();
  make(store, "c1");
  Forked holder([&] {
    const Result<Fd> lock = store.lock("c1");
    return lock.ok() ? sleep_for_ever() : 1;
  });
  ASSERT_TRUE(eventually([&] { return *store.is_locked("c1"); }));
  ASSERT_EQ(::kill(holder.pid(), SIGKILL), 0);
  const Result<Fd> lock = store.lock("c1");
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE(*store.is_locked("c1"));
}

TEST_F(StoreTest, WhoWaitsForALockDoesNotGetARemovedContainer) {
  const Store store = open();
  make(store, "c1");
  Result<Fd> lock = store.lock("c1");
  ASSERT_TRUE(lock.ok());
  Forked waiter([&] {
    lock->reset();  // the child's copy would keep the lock
    const Result<Fd> mine = store.lock("c1");
    return mine.ok() ? 1 : (mine.error().code == Code::kNotFound ? 0 : 2);
  });
  nap(50);
  ASSERT_TRUE(store.erase("c1").ok());
  make(store, "c1");  // another container of the same name
  lock->reset();
  EXPECT_EQ(waiter.wait(), 0);
}

}  // namespace
}  // namespace gabion::container
