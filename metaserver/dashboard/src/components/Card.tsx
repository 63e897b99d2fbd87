// A titled region of a page.

import { useId, type ReactNode } from "react";

export interface CardProps {
  title: ReactNode;
  /** Beside the title: figures, a switch of ranges, a link. */
  aside?: ReactNode;
  /** Under the title, one line. */
  note?: ReactNode;
  className?: string;
  /** Content goes to the edges (tables). */
  flush?: boolean;
  level?: 2 | 3;
  children: ReactNode;
}

export function Card({ title, aside, note, className = "", flush = false, level = 2, children }: CardProps) {
  const id = useId();
  const Heading = level === 2 ? "h2" : "h3";
  return (
    <section className={`card ${flush ? "flush" : ""} ${className}`} aria-labelledby={id}>
      <div className="card-head">
        <div className="grow">
          <Heading id={id} className="card-title">
            {title}
          </Heading>
          {note ? <p className="card-note">{note}</p> : null}
        </div>
        {aside ? <div className="card-aside">{aside}</div> : null}
      </div>
      <div className="card-body">{children}</div>
    </section>
  );
}
