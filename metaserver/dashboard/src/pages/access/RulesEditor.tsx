// The rules of a key: a bucket or the beginning of names, and what is allowed there.

import { useId } from "react";
import { Button } from "../../components/Button";
import { PlusIcon, TrashIcon } from "../../components/icons";
import { Note } from "../../components/Note";
import { useFormat } from "../../format";
import { visible } from "../../format/visible";
import { covers, ruleProblem, useBucketNames, type Rule } from "./data";
import { words } from "./text";

const RIGHTS = ["read", "write", "manage"] as const;
const rule = (bucket: string, read: boolean, write: boolean, manage: boolean): Rule => ({ bucket, read, write, manage });
const PRESETS = {
  one: () => [rule("", true, true, false)],
  read: () => [rule("*", true, false, false)],
  all: () => [rule("*", true, true, true)],
  none: () => [],
};

export function RulesEditor({ rules, onChange, tried }: { rules: Rule[]; onChange: (rules: Rule[]) => void; tried: boolean }) {
  const k = words().keys;
  const f = useFormat();
  const id = useId();
  const buckets = useBucketNames();
  const set = (index: number, change: Partial<Rule>) => onChange(rules.map((one, at) => (at === index ? { ...one, ...change } : one)));
  const means = { read: k.readMeans, write: k.writeMeans, manage: k.manageMeans };
  const says = { empty: k.emptyBucket, star: k.star, nothing: k.nothing };
  const note = (one: Rule): string | null => {
    if (one.bucket === "*") return k.everything;
    if (buckets.length === 0 || one.bucket === "" || buckets.some((name) => covers(one.bucket, name))) return null;
    return k.noSuchBucket;
  };

  return (
    <fieldset className="rules">
      <legend>{k.rules}</legend>
      <p className="muted small">{k.rulesLead}</p>
      <div className="row wrap">
        <span className="small muted">{k.presets.label}</span>
        {(["one", "read", "all", "none"] as const).map((preset) => (
          <Button key={preset} small onClick={() => onChange(PRESETS[preset]())}>
            {k.presets[preset]}
          </Button>
        ))}
      </div>
      {rules.length === 0 ? <Note tone="warn">{k.none}</Note> : null}
      <ul className="rule-list">
        {rules.map((one, index) => {
          const problem = ruleProblem(one);
          const said = problem && (tried || problem === "star") ? says[problem] : note(one);
          const wrong = Boolean(problem && (tried || problem === "star"));
          const name = one.bucket ? visible(one.bucket) : f.count(index + 1);
          return (
            <li key={index}>
              <div className="rule">
                <input
                  className="input mono"
                  list={id}
                  aria-label={k.bucketOf(f.count(index + 1))}
                  aria-invalid={wrong || undefined}
                  aria-describedby={said ? `${id}-${index}` : undefined}
                  placeholder={k.bucket}
                  value={one.bucket}
                  autoCapitalize="none"
                  autoComplete="off"
                  spellCheck={false}
                  onChange={(event) => set(index, { bucket: event.target.value.trim() })}
                />
                {RIGHTS.map((right) => (
                  <label key={right} className="checkbox rule-right" title={means[right]}>
                    <input
                      type="checkbox"
                      checked={one[right]}
                      aria-label={k.rightOf(k[right], name)}
                      onChange={(event) => set(index, { [right]: event.target.checked })}
                    />
                    <span>{k[right]}</span>
                  </label>
                ))}
                <Button kind="quiet" small iconOnly icon={TrashIcon} onClick={() => onChange(rules.filter((_, at) => at !== index))}>
                  {k.remove(name)}
                </Button>
              </div>
              {said ? (
                <p id={`${id}-${index}`} className={`small ${wrong ? "tone-danger" : "muted"}`}>
                  {said}
                </p>
              ) : null}
            </li>
          );
        })}
      </ul>
      <datalist id={id}>
        {buckets.slice(0, 200).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <div>
        <Button small icon={PlusIcon} onClick={() => onChange([...rules, rule("", true, false, false)])}>
          {k.add}
        </Button>
      </div>
      <dl className="rule-means small muted">
        {RIGHTS.map((right) => (
          <div key={right}>
            <dt className="strong">{k[right]}</dt>
            <dd>{means[right]}</dd>
          </div>
        ))}
      </dl>
    </fieldset>
  );
}
