import { describe, expect, it } from "vitest";
import { ringKeyOfRead, ringKeyOfWrite, type DocumentWrite } from "./document-route.js";

const keyed = { shardKey: "party" };

function write(action: DocumentWrite["action"], document?: string, shardKey?: string): DocumentWrite {
  const bytes = document === undefined ? undefined : new TextEncoder().encode(document);
  return { action, id: "1", document: bytes, shardKey };
}

const refusal = (code: string): unknown => expect.objectContaining({ code });

describe("the key that places a document", () => {
  it("is the id where the collection has no shard key", () => {
    expect(ringKeyOfWrite({}, write("put", "not even JSON"))).toBe("1");
    expect(ringKeyOfRead({}, "1", undefined)).toBe("1");
  });

  it("is the document's own shard key in whole documents", () => {
    expect(ringKeyOfWrite(keyed, write("put", '{"title":"x","party":"Whig"}'))).toBe("Whig");
    expect(ringKeyOfWrite(keyed, write("create", '{"party":"Whig"}', "Whig"))).toBe("Whig");
  });

  it("is told beside the document for patches, deletes and reads", () => {
    expect(ringKeyOfWrite(keyed, write("patch", '{"title":"x"}', "Whig"))).toBe("Whig");
    expect(ringKeyOfWrite(keyed, write("delete", undefined, "Whig"))).toBe("Whig");
    expect(ringKeyOfRead(keyed, "1", "Whig")).toBe("Whig");
  });

  it("is refused when it is missing, has several values, or is told twice differently", () => {
    for (const one of [
      write("put", "{}"),
      write("put", '{"party":null}'),
      write("put", '{"party":["Whig"]}'),
      write("put", "{}", "Whig"),
      write("patch", '{"party":"Whig"}'),
      write("patch", '{"party":null}', "Whig"),
      write("delete"),
    ])
      expect(() => ringKeyOfWrite(keyed, one)).toThrow(refusal("shardKeyMissing"));
    const twice = write("patch", '{"party":"Whig"}', "Republican");
    expect(() => ringKeyOfWrite(keyed, twice)).toThrow(refusal("invalidRequest"));
    expect(() => ringKeyOfRead(keyed, "1", undefined)).toThrow(refusal("shardKeyMissing"));
  });

  it("says what is wrong with a document that can't be looked into", () => {
    expect(() => ringKeyOfWrite(keyed, write("put", "{oops"))).toThrow(refusal("invalidJson"));
    expect(() => ringKeyOfWrite(keyed, write("put", "[1]"))).toThrow(refusal("invalidRequest"));
  });
});
